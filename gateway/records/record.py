"""Records: what one REST object becomes in memory.

A record is a msgspec struct derived from a Strawberry type (`schema/entity.py`). Its slots hold
what REST sent; reading one of its GraphQL fields converts that value, so only what is asked for
costs time. A value that REST should not have sent stands in its slot as `Malformed`, and reading
it fails that field alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec

from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import is_unset

__all__ = ["Column", "Int32", "Malformed", "Property", "Record", "flawed", "read"]

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands where REST sent a value that its contract does not allow."""

    rest_name: str
    expected: str

    def error(self) -> UpstreamBadResponseError:
        """Make the error that the field's reader gets; a new one, as tracebacks pile up on it."""
        return UpstreamBadResponseError(f"REST's {self.rest_name} is not {self.expected}.")


@dataclass(frozen=True, slots=True)
class Property:
    """One REST property: its name on the wire, its slot in the record, what may stand there."""

    rest_name: str
    slot: str
    wire_type: Any
    expected: str
    shape: Literal["value", "record", "lines", "map"] = "value"
    nested: "type[Record] | None" = None
    decode: Callable[[msgspec.Raw], Any] | None = None
    """Reads, of what `load` reads, what keeps to the contract, and raises otherwise.

    A map comes as it is: as a dict of objects.
    """

    load: Callable[[msgspec.Raw], Any] | None = None
    """Reads the value out of the JSON that its slot holds; None where the slot holds the value.

    Most of an answer is in objects of their own and in maps, and few ask for all of them. Each
    reading makes them anew, so a snapshot weighs little more than REST's answer did.
    """

    def malformed(self) -> Malformed:
        """Make the mark for a value that is not what it should be."""
        return Malformed(self.rest_name, self.expected)


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a record that is `convert` of what stands in `slot`; a ValueError: malformed."""

    slot: str
    convert: Callable[[Any], Any]


class Record(msgspec.Struct, kw_only=True, gc=False):
    """One REST object. `gc=False`: records hold data and never form cycles."""

    properties: ClassVar[tuple[Property, ...]] = ()
    columns: ClassVar[Mapping[str, Column]] = {}
    """By their names, the fields that are made of one slot's value."""

    key: ClassVar[str | None] = None

    def __repr__(self) -> str:
        """Show the type alone: the rest is customers' data, and reprs end up in logs."""
        return f"<{type(self).__name__} record>"

    def is_blank(self) -> bool:
        """Tell whether REST means "no such object": `{}`, or key 0 with nothing beside it.

        Rights metadata describe what the caller may do with an object, so they do not make one.
        """
        if self.key is None:
            return all(self.sent(p) is None for p in self.properties)
        if getattr(self, self.key):
            return False
        return all(_is_blank(self.sent(p)) for p in self.properties if p.slot not in _RIGHTS)

    def sent(self, p: Property) -> Any:
        """Return what REST sent for a property: read now, where it is JSON still."""
        value = getattr(self, p.slot)
        if value.__class__ is not msgspec.Raw:
            return value
        assert p.load is not None  # noqa: S101  only such slots hold JSON
        return p.load(value)


_RIGHTS = frozenset({"_table_right", "_field_properties"})
_UNSET_WORDS = frozenset({"", "Unknown"})


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return value in _UNSET_WORDS or is_unset(value)
    return value.is_blank() if isinstance(value, Record) else not value


@cache
def flawed(record: type[Record]) -> type[Record]:
    """Return the type of those records that hold a `Malformed`.

    It differs from `record` in nothing but its identity, by which the executor knows that such a
    record cannot be read at full speed.
    """
    made = msgspec.defstruct(record.__name__, [], bases=(record,), kw_only=True, gc=False)
    return cast("type[Record]", made)


def read(record: Any, field: str) -> Any:
    """Read one GraphQL field of a record: the schema's default resolver.

    Raises:
        UpstreamBadResponseError: REST sent something there that its contract does not allow.
    """
    value = getattr(record, field)
    if type(value) is Malformed:
        raise value.error()
    return value
