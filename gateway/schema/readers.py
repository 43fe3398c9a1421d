"""How a record's fields are read from its slots: properties of the record types.

A reader hands on `Malformed` as it is; whoever reads the field decides what becomes of it.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from operator import attrgetter
from typing import Any

from gateway.dates import is_unset, normalise
from gateway.schema.records import Malformed, Property, Record
from gateway.schema.scalars import DateTime

__all__ = ["date", "entries", "enum", "record", "slot", "text"]


def slot(name: str) -> Any:
    """Read the slot as it is."""
    return property(attrgetter(name))


def date(p: Property) -> Any:
    """Read a date: unset is None, the offset gets its colon."""
    get = attrgetter(p.slot)

    def read(record: Record) -> DateTime | Malformed | None:
        text = get(record)
        if text.__class__ is not str:
            return text  # type: ignore[no-any-return]  # None or Malformed
        if is_unset(text):
            return None
        try:
            return DateTime(normalise(text))
        except ValueError:
            return p.malformed()

    return property(read)


def enum(name: str, read_member: Callable[[object], Enum | None]) -> Any:
    """Read the name or number of an enum's member."""
    get = attrgetter(name)

    def read(record: Record) -> Enum | Malformed | None:
        value = get(record)
        return value if value.__class__ is Malformed else read_member(value)

    return property(read)


def text(name: str) -> Any:
    """Read a name or number as text."""
    get = attrgetter(name)

    def read(record: Record) -> str | Malformed | None:
        value = get(record)
        return str(value) if value.__class__ is int else value

    return property(read)


def record(name: str) -> Any:
    """Read a linked object; what REST writes for "none" is None."""
    get = attrgetter(name)

    def read(record: Record) -> Record | Malformed | None:
        value = get(record)
        return None if isinstance(value, Record) and value.is_blank() else value

    return property(read)


def entries(name: str, entry: type[Record], *, is_text: bool) -> Any:
    """Read a map as a list of entries: of records, or of texts that become records here."""
    get = attrgetter(name)
    make: Any = entry

    def read(record: Record) -> list[Record] | Malformed | None:
        value = get(record)
        if value.__class__ is not dict:
            return value  # type: ignore[no-any-return]  # None or Malformed
        if is_text:
            return [make(**parts) for parts in _texts(value)]
        return list(_named(value.items()))

    return property(read)


_DISPLAY_TEXT = ":DisplayText"


def _texts(values: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Take a map of texts apart; `NAME:DisplayText` goes to the entry of `NAME` it belongs to."""
    for name, value in values.items():
        owner = name.removesuffix(_DISPLAY_TEXT)
        if owner == name or owner not in values:
            shown = values.get(f"{name}{_DISPLAY_TEXT}")
            yield {"name": name, "value": value, "display_text": shown}


def _named(items: Iterable[tuple[str, Any]]) -> Iterable[Record]:
    # Entries are told their own name when first listed: always the same one, so that records
    # stay, to everybody who looks, immutable.
    for name, entry in items:
        if entry is not None:
            entry.name = name
            yield entry
