"""Declare an enum of the REST API as a GraphQL enum.

    @rest_enum("Where the chat stands.")
    class ChatSessionStatus(Enum):
        IN_QUEUE = member(4, "Waiting for an agent.")
        UNRECOGNIZED = unrecognized()

SuperOffice sends a member's name, or the number of a member without a name. Anything not declared
reads as `UNRECOGNIZED`: any release of SuperOffice can add members.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import EnumValueDefinition

E = TypeVar("E", bound=type[Enum])
_READERS: dict[type[Enum], Callable[[object], Enum | None]] = {}


def member(value: int | str, description: str) -> EnumValueDefinition:
    """Declare a member: its number in .NET, or its name in an enum of our own, and its meaning."""
    return EnumValueDefinition(value=value, description=description)


def unrecognized() -> EnumValueDefinition:
    """Declare the member for every name and number that the schema does not know."""
    return EnumValueDefinition(
        value="\0unrecognized",
        description="A value this schema does not know; read the `…Raw` field.",
    )


def rest_enum(description: str, *, acronyms: frozenset[str] = frozenset()) -> Callable[[E], E]:
    """Make a class of members a GraphQL enum, and register how it is read from JSON.

    The name of `IN_QUEUE` in JSON is `InQueue`; `acronyms` have the same name in both.
    """

    def declare(cls: E) -> E:
        declared = strawberry.enum(cls, description=description)
        unknown = declared["UNRECOGNIZED"]
        by_wire: dict[object, Enum | None] = {None: None, "": None}
        for name, item in declared.__members__.items():
            if item is not unknown:
                wire = name if name in acronyms else name.title().replace("_", "")
                by_wire |= {wire: item, item.value: item, str(item.value): item}
        _READERS[declared] = lambda wire: by_wire.get(wire, unknown)
        return declared

    return declare


def reader_of(enum: type[Enum]) -> Callable[[object], Enum | None]:
    """Return the function that converts a string or number in JSON to a member or None."""
    return _READERS[enum]


def number_of(item: Enum | None) -> int | None:
    """Return a member's number in .NET; None for `UNRECOGNIZED` and for None."""
    return item.value if item and isinstance(item.value, int) else None
