"""Records: objects of the REST API in memory.

A record is a msgspec struct derived from a Strawberry type (`schema/declare/entity.py`). Its slots
hold what SuperOffice sent; reading a GraphQL field converts the value in its slot, so only selected
fields cost time. An invalid value is represented by a `Malformed` in its slot; reading it fails
that field alone.

Values in slots are typed `Any`: their types depend on the declarations of the entities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, cast

import msgspec

from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import MOST_DATES, UNSET, UNSET_BY_SERVICE, normalise

T = TypeVar("T")
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Convert: TypeAlias = Callable[[Any], Any]
"""Converts the value of a slot to that of a field."""

Shape: TypeAlias = Literal["value", "record", "lines", "map"]
"""The form of a property: `lines` are lists of lists of records, a `map` an object of entries."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """Represents a value that the contract of the REST API does not allow."""

    rest_name: str
    expected: str

    def error(self) -> UpstreamBadResponseError:
        """Make a new error of the field each time: a reused one would accumulate tracebacks."""
        return UpstreamBadResponseError(f"SuperOffice's {self.rest_name} is not {self.expected}.")


@dataclass(frozen=True, slots=True)
class Property:
    """One property of the REST API: its name in JSON, its slot in the record, its type."""

    rest_name: str
    slot: str
    wire_type: object
    expected: str
    shape: Shape = "value"
    nested: Any = None
    """The record type of the objects in it."""

    load: Callable[[msgspec.Raw], object] | None = None
    """Reads the value, or the list of a map's entries, from the JSON in its slot.

    It is None if the slot holds the value itself.

    Most of a response is linked objects and maps, and few queries select all of them. They are
    decoded again at each read, so a snapshot needs little more memory than the response itself.
    """

    def malformed(self) -> Malformed:
        """Make the `Malformed` for an invalid value."""
        return Malformed(self.rest_name, self.expected)


@dataclass(frozen=True, slots=True)
class Column:
    """A field that `convert` computes from the value in `slot`; a ValueError means malformed."""

    slot: str
    convert: Convert


RECORD = "__record__"
"""The attribute of an entity that holds its record type."""


def find_record(any_type: object) -> "type[Record] | None":
    """Return the record type of an entity; None for any other type."""
    return getattr(any_type, RECORD, None)


class Record(msgspec.Struct, kw_only=True, gc=False):
    """One object of the REST API. `gc=False`: records hold data and never form cycles."""

    properties: ClassVar[tuple[Property, ...]] = ()
    columns: ClassVar[Mapping[str, Column]] = {}
    """The fields that are computed from one slot, by name."""

    required: ClassVar[Mapping[str, str]] = {}
    """The fields that must not be missing, with their names in JSON."""

    key: ClassVar[str | None] = None

    def __repr__(self) -> str:
        """Show only the type: slots hold customers' data, and reprs appear in logs."""
        return f"<{type(self).__name__} record>"

    def is_blank(self) -> bool:
        """Return whether this stands for a missing object: `{}`, or key 0 with nothing else set.

        Rights do not count: they describe what the caller may do, even without an object.
        """
        if self.key is None:
            return all(self.sent(p) is None for p in self.properties)
        if getattr(self, self.key):
            return False
        return all(_is_blank(self.sent(p)) for p in self.properties if p.slot not in _RIGHTS)

    def sent(self, p: Property) -> object:
        """Return the value of a property, decoded now if its slot still holds JSON."""
        value: object = getattr(self, p.slot)
        if not isinstance(value, msgspec.Raw):
            return value
        assert p.load is not None  # noqa: S101  only such slots hold JSON
        return p.load(value)


_RIGHTS = frozenset({"_table_right", "_field_properties"})
_NO_VALUES = _RIGHTS | {"name"}
"""Slots of an object without a key that are no values: its rights, and the name of an entry."""

_UNSET_WORDS = frozenset({"", "0", "Unknown"})  # the last two: of an enum


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return value in _UNSET_WORDS or value.startswith(UNSET_BY_SERVICE)
    if isinstance(value, Record):  # without a key: an address, or an entry of a map
        value = [getattr(value, slot) for slot in value.__struct_fields__ if slot not in _NO_VALUES]
    if isinstance(value, list):
        return all(map(_is_blank, value))
    return not value or value == -1  # a ticket's link to nothing can be -1


@cache
def flawed(record: type[Record]) -> type[Record]:
    """Return the type of records that hold a `Malformed`.

    By this subclass the executor recognises records that need field-by-field execution.
    """
    made = msgspec.defstruct(record.__name__, [], bases=(record,), kw_only=True, gc=False)
    return cast("type[Record]", made)


def valid(value: T) -> T | None:
    """Return a field's value, or None if it is `Malformed`."""
    return None if value.__class__ is Malformed else value


def read(record: object, field: str) -> Any:
    """Read one GraphQL field of a record: the schema's default resolver.

    Raises:
        UpstreamBadResponseError: the value breaks the contract of the REST API, or is missing.
    """
    value = getattr(record, field)
    if type(value) is Malformed:
        raise value.error()
    if value is None and isinstance(record, Record) and field in record.required:
        raise UpstreamBadResponseError(f"SuperOffice's {record.required[field]} is missing.")
    return value


def converted(p: Property, convert: Convert) -> property:
    """Make the attribute that converts a property's value; a ValueError means malformed."""
    get = attrgetter(p.slot)

    def get_field(record: Record) -> object:
        value = get(record)
        if value.__class__ is Malformed:
            return value
        try:
            return convert(value)
        except ValueError:
            return p.malformed()

    return property(get_field)


@lru_cache(MOST_DATES)
def date(text: str | None) -> str | None:
    """Convert a date: unset becomes None, the offset gets a colon.

    Raises:
        ValueError: the calendar has no such date.
    """
    return None if text is None or text.startswith(UNSET) else normalise(text)


@lru_cache(MOST_DATES)
def date_of_service(text: str | None) -> str | None:
    """Convert a date of a chat or ticket, as `date` does."""
    return None if text is None or text.startswith(UNSET_BY_SERVICE) else normalise(text)


def as_text(value: str | int | None) -> str | None:
    """Convert a name or number to text."""
    return str(value) if isinstance(value, int) else value


def decoded(p: Property) -> property:
    """Make the attribute for a linked object (None if blank) or for a map's list of entries."""

    def get_field(record: Record) -> object:
        value = record.sent(p)
        return None if isinstance(value, Record) and value.is_blank() else value

    return property(get_field)
