"""Declare an enum of the REST API as a GraphQL enum.

    @rest_enum("Where the chat stands.")
    class ChatSessionStatus(Enum):
        IN_QUEUE = member("InQueue", 4, "Waiting for an agent.")
        UNRECOGNIZED = unrecognized()

SuperOffice sends a member's name, or the number of a member without a name. Anything not declared
reads as `UNRECOGNIZED`: SuperOffice adds members every few weeks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import EnumValueDefinition

E = TypeVar("E", bound=type[Enum])
_NUMBERS: dict[object, int] = {}
_READERS: dict[type[Enum], Callable[[object], Enum | None]] = {}


@dataclass
class _Member(EnumValueDefinition):
    number: int | None = None


def member(rest_name: str, number: int, description: str) -> _Member:
    """Declare a member: its name in JSON, its number in .NET, its meaning."""
    return _Member(value=rest_name, number=number, description=description)


def unrecognized() -> _Member:
    """Declare the member for every name and number that the schema does not know."""
    return _Member(
        value="\0unrecognized",
        description="REST sent a value that this schema does not know; the raw field has it.",
    )


def rest_enum(description: str) -> Callable[[E], E]:
    """Make a class of members a GraphQL enum, and register how it is read from JSON."""

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
    """The members of an enum, by every form they can have in JSON."""

    def __init__(self, known: dict[object, Enum | None], *, unrecognized: Enum) -> None:
        super().__init__(known)
        self._unrecognized = unrecognized

    def __missing__(self, wire: object) -> Enum:
        return self._unrecognized


def reader_of(enum: type[Enum]) -> Callable[[object], Enum | None]:
    """Return the function from a string or number in JSON to the member; no value gives None."""
    return _READERS[enum]


def number_of(item: Enum | None) -> int | None:
    """Return a member's number in .NET; `UNRECOGNIZED` and no member have none."""
    return _NUMBERS.get(item)
