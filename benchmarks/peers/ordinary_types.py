"""Writes the types of the ordinary Strawberry server, as a developer would by hand."""

import re
from collections.abc import Iterator

from benchmarks.peers.sdl import MAPS, Field, Source

__all__ = ["module_text"]

_HEAD = '''\
"""REST's chat sessions as Strawberry types."""

from __future__ import annotations

from enum import Enum
from typing import Any, NewType

import strawberry

DateTime = NewType("DateTime", str)
'''
_SCALARS = {"Int": "int", "Float": "float", "String": "str", "Boolean": "bool"}
_SUFFIX = ":DisplayText"


def module_text(source: Source) -> str:
    """Write the module with every type, and its construction from REST JSON."""
    enums = (_enum(name, members) for name, members in source.enums.items())
    types = (_type(name, fields, source) for name, fields in source.types.items())
    return "\n\n".join([_HEAD, *enums, *types])


def _enum(name: str, members: dict[str, str]) -> str:
    lines = [f'    {member} = "{rest}"' for member, rest in members.items()]
    return "\n".join(["@strawberry.enum", f"class {name}(Enum):", *lines, ""])


def _type(name: str, fields: dict[str, Field], source: Source) -> str:
    lines = ["@strawberry.type", f"class {name}:"]
    lines += [f"    {_snake(field.name)}: {_annotation(field)}" for field in fields.values()]
    lines += ["", "    @classmethod"]
    if name in MAPS:
        lines += _from_map(name, fields)
    else:
        lines += [f"    def from_rest(cls, data: dict[str, Any]) -> {name}:", "        return cls("]
        lines += [f"            {line}" for line in _values(fields, source)]
        lines += ["        )"]
    return "\n".join([*lines, ""])


def _from_map(name: str, fields: dict[str, Field]) -> list[str]:
    if "displayText" in fields:
        value = f'cls(name=name, value=value, display_text=data.get(f"{{name}}{_SUFFIX}"))'
        wanted = f'if not (name.endswith("{_SUFFIX}") and name.removesuffix("{_SUFFIX}") in data)'
    else:
        right = 'FieldRight.from_rest(value["FieldRight"]) if value.get("FieldRight") else None'
        value = (
            f'cls(name=name, field_type=value.get("FieldType"), field_right={right}, '
            'field_length=value.get("FieldLength"))'
        )
        wanted = ""
    return [
        f"    def from_map(cls, data: dict[str, Any]) -> list[{name}]:",
        "        return [",
        f"            {value}",
        f"            for name, value in data.items() {wanted}".rstrip(),
        "        ]",
    ]


def _values(fields: dict[str, Field], source: Source) -> Iterator[str]:
    for field in fields.values():
        value = f'data.get("{field.rest_name}")'
        if field.named in source.enums:
            value = _unless_none(f'{field.named}(data["{field.rest_name}"])', value)
        elif field.named in MAPS:
            value = _unless_none(f'{field.named}.from_map(data["{field.rest_name}"])', value)
        elif field.depth:
            lines = f'for line in data["{field.rest_name}"]'
            value = _unless_none(f"[[{field.named}.from_rest(x) for x in line] {lines}]", value)
        elif field.named in source.types:
            value = _unless_none(f'{field.named}.from_rest(data["{field.rest_name}"])', value)
        yield f"{_snake(field.name)}={value},"


def _unless_none(value: str, tested: str) -> str:
    return f"{value} if {tested} is not None else None"


def _annotation(field: Field) -> str:
    named = _SCALARS.get(field.named, field.named)
    one = "list[" * field.depth + named + "]" * field.depth
    return one if field.kind.endswith("!") else f"{one} | None"


def _snake(name: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()
