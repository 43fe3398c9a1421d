"""A JSON map as a list of entries: records with their name in the map."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.records.record import Malformed, Property, Record, flawed

_DISPLAY_TEXT = ":DisplayText"


def is_of_texts(p: Property) -> bool:
    """Tell whether the values of a map are texts, not objects."""
    return p.nested is not None and not p.nested.properties


def entries_of(p: Property, values: Mapping[str, Any]) -> list[Record]:
    """Make the entries of a map of decoded values: records or texts."""
    if is_of_texts(p):
        return list(_of_texts(p.nested, values))
    entries = []
    for name, entry in values.items():
        if entry is not None:
            entry.name = name
            entries.append(entry)
    return entries


def _of_texts(entry: Any, values: Mapping[str, object]) -> Iterator[Record]:
    """Make an entry of each text; `NAME:DisplayText` belongs to the entry of `NAME`."""
    for name, value in values.items():
        owner = name.removesuffix(_DISPLAY_TEXT)
        if owner == name or owner not in values:
            shown = values.get(f"{name}{_DISPLAY_TEXT}")
            is_flawed = Malformed in {value.__class__, shown.__class__}
            make = flawed(entry) if is_flawed else entry
            yield make(name=name, value=value, display_text=shown)
