"""Declare an enum of REST as a GraphQL enum.

    @rest_enum("Where the chat stands.")
    class ChatSessionStatus(Enum):
        IN_QUEUE = member("InQueue", 4, "Waiting for an agent.")
        UNRECOGNIZED = unrecognized()

REST writes a member's name, and .NET falls back to the number of a member without one. Whatever is
not declared reads as `UNRECOGNIZED`: SuperOffice adds members every few weeks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import strawberry
from strawberry.types.enum import EnumValueDefinition

E = TypeVar("E", bound=type[Enum])
_NUMBERS: dict[Enum, int] = {}
_READERS: dict[type[Enum], Callable[[Any], Enum | None]] = {}


@dataclass
class _Member(EnumValueDefinition):
    number: int | None = None


def member(rest_name: str, number: int, description: str) -> Any:
    """Declare a member: its name in REST, its number in .NET, what it means."""
    return _Member(value=rest_name, number=number, description=description)


def unrecognized() -> Any:
    """Declare the member that stands for every name and number the schema does not know."""
    return _Member(
        value="\0unrecognized",
        description="REST sent a value that this schema does not know; the raw field has it.",
    )


def rest_enum(description: str) -> Callable[[E], E]:
    """Make a class of members a GraphQL enum and remember how to read it from JSON."""

    def declare(cls: E) -> E:
        numbers = {item.value.number: item for item in cls if item.value.number is not None}
        declared = strawberry.enum(cls, description=description)
        by_wire = _Members({None: None, "": None}, unrecognized=declared["UNRECOGNIZED"])
        by_wire.update((item.value, item) for item in declared)
        for number, item in numbers.items():
            by_wire[number] = by_wire[str(number)] = item
            _NUMBERS[item] = number
        _READERS[declared] = by_wire.__getitem__
        return declared

    return declare


class _Members(dict[object, Enum | None]):
    """The members of an enum by all that REST may write for them."""

    def __init__(self, known: dict[object, Enum | None], *, unrecognized: Enum) -> None:
        super().__init__(known)
        self._unrecognized = unrecognized

    def __missing__(self, wire: object) -> Enum:
        return self._unrecognized


def reader_of(enum: type[Enum]) -> Callable[[Any], Enum | None]:
    """Return the function from REST's string or number to the member; no value gives None."""
    return _READERS[enum]


def number_of(item: Enum) -> int | None:
    """Return a member's number in .NET; what is not recognised has none."""
    return _NUMBERS.get(item)
