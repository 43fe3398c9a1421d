"""How a record's fields are read from its slots: properties of the record types.

A reader returns `Malformed` as it is; the caller decides what to do with it.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from gateway.records.dates import is_unset, normalise
from gateway.records.record import Malformed, Property, Record

# The same dates come back with every snapshot, and in those of all colleagues.
_CACHED_DATES = 20_000


def slot(name: str) -> property:
    """Read the slot as it is."""
    return property(attrgetter(name))


def converted(p: Property, convert: Callable[[Any], object]) -> property:
    """Read what `convert` makes of a property's JSON; a ValueError means that it is malformed."""
    get = attrgetter(p.slot)

    def read(record: Record) -> object:
        value = get(record)
        if value.__class__ is Malformed:
            return value
        try:
            return convert(value)
        except ValueError:
            return p.malformed()

    return property(read)


@lru_cache(_CACHED_DATES)
def date(text: str | None) -> str | None:
    """Convert a date: unset is None, the offset gets its colon.

    Raises:
        ValueError: the calendar has no such date.
    """
    return None if text is None or is_unset(text) else normalise(text)


def as_text(value: str | int | None) -> str | None:
    """Convert a name or number to text."""
    return str(value) if isinstance(value, int) else value


def linked(p: Property) -> property:
    """Read a linked object; a blank one is None."""

    def read(record: Record) -> object:
        value = record.sent(p)
        return None if isinstance(value, Record) and value.is_blank() else value

    return property(read)


def entries(p: Property) -> property:
    """Read a map as the list of its entries."""
    return property(lambda record: record.sent(p))
