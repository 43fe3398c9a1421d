"""How a record's fields are read from its slots: properties of the record types.

A reader hands on `Malformed` as it is; whoever reads the field decides what becomes of it.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from gateway.records.dates import is_unset, normalise
from gateway.records.record import Malformed, Property, Record

__all__ = ["as_text", "converted", "date", "entries", "linked", "slot"]

# The same dates come back with every snapshot, and to every colleague who sees the session.
_REMEMBERED_DATES = 20_000


def slot(name: str) -> Any:
    """Read the slot as it is."""
    return property(attrgetter(name))


def converted(p: Property, convert: Callable[[Any], Any]) -> Any:
    """Read what `convert` makes of a property; a ValueError there means that it is malformed."""
    get = attrgetter(p.slot)

    def read(record: Record) -> Any:
        value = get(record)
        if value.__class__ is Malformed:
            return value
        try:
            return convert(value)
        except ValueError:
            return p.malformed()

    return property(read)


@lru_cache(_REMEMBERED_DATES)
def date(text: str | None) -> str | None:
    """Convert a date: unset is None, the offset gets its colon.

    Raises:
        ValueError: it is no date that the calendar has.
    """
    return None if text is None or is_unset(text) else normalise(text)


def as_text(value: str | int | None) -> str | None:
    """Convert a name or number to text."""
    return str(value) if value.__class__ is int else value  # type: ignore[return-value]


def linked(p: Property) -> Any:
    """Read a linked object; what REST writes for "none" is None."""

    def read(record: Record) -> Record | Malformed | None:
        value = record.sent(p)
        return None if isinstance(value, Record) and value.is_blank() else value

    return property(read)


def entries(p: Property) -> Any:
    """Read a map as the list of its entries."""
    return property(lambda record: record.sent(p))
