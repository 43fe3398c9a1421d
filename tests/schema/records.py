"""REST records with a value in every property, generated from the contract."""

import itertools
from collections.abc import Callable, Iterator

from tests.schema.asking import Json
from tests.schema.contract import CONTRACT, ENUMS

__all__ = ["full_record"]

_PLAIN: dict[str, Callable[[int], object]] = {
    "Int": lambda n: n,
    "Float": lambda n: n + 0.5,
    "Boolean": lambda n: n % 2 == 0,
    "String": lambda n: f"text {n}: ёлка 🎄",
    "DateTime": lambda n: f"2026-01-31T17:46:{n % 60:02}.{n:07}+0100",
    "[ExtraField!]": lambda n: {f"x_{n}": f"[I:{n}]", f"x_{n}:DisplayText": ""},
    "[CustomField!]": lambda n: {f"SuperOffice:{n}": f"[I:{n}]", "empty": None},
}


def full_record(type_name: str = "ChatSession", first: int = 1) -> Json:
    """Make a record in which no two properties have the same number or text."""
    return _record(type_name, itertools.count(first))


def _record(type_name: str, numbers: Iterator[int]) -> Json:
    return {name: _value(kind, numbers) for name, kind in CONTRACT[type_name].items()}


def _value(kind: str, numbers: Iterator[int]) -> object:
    if kind in _PLAIN:
        return _PLAIN[kind](next(numbers))
    if kind in ENUMS:
        members = list(ENUMS[kind])
        return members[next(numbers) % len(members)]
    if kind == "[FieldProperty!]":
        keys = (f"UserDefinedFields.SuperOffice:{next(numbers)}" for _ in range(2))
        return {key: _record("FieldProperty", numbers) for key in keys}
    if kind == "[[LocalizedField!]!]":
        return [[_record("LocalizedField", numbers) for _ in range(n)] for n in (1, 0, 2)]
    return _record(kind, numbers)
