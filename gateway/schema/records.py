"""Records: what one REST object becomes in memory.

A record is a msgspec struct derived from a Strawberry type (`entity.py`). Its slots hold what REST
sent; reading one of its GraphQL fields converts that value, so only what is asked for costs time.
A value that REST should not have sent stands in its slot as `Malformed`, and reading it fails that
field alone.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from gateway.dates import is_unset
from gateway.errors import UpstreamBadResponseError

__all__ = ["Int32", "Malformed", "Property", "Record", "read"]

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

    def malformed(self) -> Malformed:
        """Make the mark for a value that is not what it should be."""
        return Malformed(self.rest_name, self.expected)


class Record(msgspec.Struct, kw_only=True, gc=False):
    """One REST object. `gc=False`: records hold data and never form cycles."""

    properties: ClassVar[tuple[Property, ...]] = ()
    key: ClassVar[str | None] = None

    def __repr__(self) -> str:
        """Show the type alone: the rest is customers' data, and reprs end up in logs."""
        return f"<{type(self).__name__} record>"

    def is_blank(self) -> bool:
        """Tell whether REST means "no such object": `{}`, or key 0 with nothing beside it.

        Rights metadata describe what the caller may do with an object, so they do not make one.
        """
        if self.key is None:
            return all(getattr(self, p.slot) is None for p in self.properties)
        if getattr(self, self.key):
            return False
        return all(
            _is_blank(getattr(self, p.slot)) for p in self.properties if p.slot not in _RIGHTS
        )


_RIGHTS = frozenset({"_table_right", "_field_properties"})
_UNSET_WORDS = frozenset({"", "Unknown"})


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return value in _UNSET_WORDS or is_unset(value)
    return value.is_blank() if isinstance(value, Record) else not value


def read(record: Any, field: str) -> Any:
    """Read one GraphQL field of a record: the schema's default resolver.

    Raises:
        UpstreamBadResponseError: REST sent something there that its contract does not allow.
    """
    value = getattr(record, field)
    if type(value) is Malformed:
        raise value.error()
    return value
