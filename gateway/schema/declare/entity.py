"""Declare a type of the REST API once: a Strawberry type, from which its record type is derived.

    @entity("An open or finished chat.", key="chat_session_id")
    class ChatSession:
        chat_session_id: int | None = prop("Primary key.")
        url_name: str | None = prop("Shown instead of the address.", rest="URLName")

gives the GraphQL type `ChatSession` and the record type that decodes `{"ChatSessionId": 1, …}`.
The name in JSON is the GraphQL name with its first letter in upper case, unless `rest` names it.
The Python type of a property decides how it is read:

    int, float, bool, str    as it is
    DateTime                 null if unset; the offset gets a colon
    an enum                  a member; beside field `x` comes `xRaw`, the text as sent
    another entity           null if blank
    list of lists            the same, line by line
    entries(...)             a JSON map as a list of entries, each with its `name`

Numbers, booleans and enums are `@semanticNonNull`: reading a missing one is an error, unless
`NOT_ALWAYS_SENT` names it.
Computed fields use `derived(...)`. A type with a key can be a `Node`.

`Any` stands for types that are known only at run time: of annotations, and of values in slots.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from copy import copy
from enum import Enum
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

import msgspec
import strawberry
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import capitalize_first, to_camel_case
from strawberry.utils.typing import get_optional_annotation, is_optional

from gateway.records.decode import in_json
from gateway.records.record import (
    RECORD,
    Column,
    Convert,
    Int32,
    Property,
    Record,
    as_text,
    converted,
    date,
    decoded,
    find_record,
    read,
)
from gateway.schema.declare.nodes import Node, global_id
from gateway.schema.declare.rest_enum import reader_of
from gateway.schema.declare.scalars import DateTime, Declared, described
from gateway.schema.declare.semantic_non_null import NOT_ALWAYS_SENT, SemanticNonNull

T = TypeVar("T")
_REST = "rest"
_KIND = "kind"
_WIRE: dict[object, tuple[Any, str]] = {
    int: (Int32, "a 32-bit integer"),
    float: (float, "a number"),
    bool: (bool, "a boolean"),
    str: (str, "a string"),
}


def prop(description: str, *, rest: str | None = None, may_be_number: bool = False) -> Declared:
    """Declare one property; `rest` is its name in JSON if that is irregular.

    `may_be_number` is for a text that .NET writes as a number if it has no name for the value.
    """
    kind = "name or number" if may_be_number else "prop"
    return strawberry.field(description=description, metadata={_KIND: kind, _REST: rest})


def derived(reader: Callable[[Any], object], description: str) -> Declared:
    """Declare a field that `reader` computes from the other fields of a record."""
    return strawberry.field(description=description, metadata={_KIND: "derived", "reader": reader})


def entries(description: str, *, deprecated: str | None = None) -> Declared:
    """Declare a JSON map, shown as a list of entries; its argument `names` selects some."""
    metadata = {_KIND: "entries"}
    return strawberry.field(
        description=description, metadata=metadata, deprecation_reason=deprecated
    )


def stamped(description: str) -> Declared:
    """Declare a field that the gateway sets: SuperOffice does not send it with the object."""
    return strawberry.field(description=description, metadata={_KIND: "stamp"})


def record_of(entity_type: type) -> type[Record]:
    """Return the record type that an entity's JSON is decoded into."""
    return cast("type[Record]", getattr(entity_type, RECORD))


@dataclass_transform(kw_only_default=True, field_specifiers=(prop, derived, entries, stamped))
def entity(
    description: str,
    *,
    key: str | None = None,
    dates: Convert = date,
) -> Callable[[type[T]], type[T]]:
    """Make a class of declarations a GraphQL type, and derive its record type.

    `key` names the field that identifies an object; key 0 in a linked object means that there is
    none. `dates` converts its dates. An annotation alone declares a slot of the record that the
    gateway fills, and no field. The fields of base classes that are not entities are included.
    """

    def declare(cls: type[T]) -> type[T]:
        derivation = _Derivation(cls.__name__, dates)
        bases = tuple(base for base in cls.__bases__ if base in {Node, object})
        for part in [cls, *(base for base in cls.__bases__ if base not in bases)]:
            for name, annotation in inspect.get_annotations(part, eval_str=True).items():
                if name in vars(part):
                    derivation.add(name, annotation, copy(vars(part)[name]))
                else:
                    derivation.add_stamp(name)
        record = derivation.derive(key)
        # A new class, with annotations in its namespace: rewriting those of `cls` would depend on
        # how Python stores them, which PEP 649 changed in 3.14.
        namespace: dict[str, object] = {
            "__module__": cls.__module__,
            "__annotations__": derivation.annotations,
            RECORD: record,
            **derivation.fields,
        }
        if issubclass(cls, Node):  # graphql-core calls it to find the type behind an interface
            namespace["is_type_of"] = staticmethod(lambda obj, _info: isinstance(obj, record))
        made = type(cls.__name__, bases, namespace)
        return cast("type[T]", strawberry.type(made, description=description))

    return declare


class _Derivation:
    """Collects the parts of the record type and of the GraphQL type, field by field."""

    def __init__(self, name: str, dates: Convert) -> None:
        self.name = name
        self.dates = dates
        self.annotations: dict[str, object] = {}
        self.fields: dict[str, StrawberryField] = {}
        self.slots: list[tuple[str, Any, Any]] = []
        self.namespace: dict[str, object] = {}
        self.properties: list[Property] = []
        self.columns: dict[str, Column] = {}
        self.required: dict[str, str] = {}

    def add_stamp(self, name: str) -> None:
        # No name in JSON has a "#": the decoder leaves such a slot to the gateway.
        self._add_slot(name, Any, f"#{name}")

    def add(self, name: str, annotation: object, field: StrawberryField) -> None:
        self.annotations[name] = annotation
        self.fields[name] = field
        kind = field.metadata[_KIND]
        if kind == "stamp":
            self.add_stamp(name)
            return
        if kind == "derived":
            self.namespace[name] = property(field.metadata["reader"])
            return
        rest = field.metadata.get(_REST) or capitalize_first(to_camel_case(name))
        slot, base = f"_{name}", _without_none(annotation)
        nested = find_record(base)
        if kind == "entries":
            entry = typing.get_args(base)[0]
            nested = record_of(entry)
            value: Any = nested if nested.properties else str
            wire_type = dict[str, value | None]
            self._add_nested(name, Property(rest, slot, wire_type, "an object", "map", nested))
            field(_entries_resolver(name, entry))
        elif typing.get_origin(base) is list:
            line: Any = record_of(typing.get_args(typing.get_args(base)[0])[0])
            expected = "a list of lists of objects"
            self._add_nested(name, Property(rest, slot, list[list[line]], expected, "lines", line))
        elif nested is not None:
            self._add_nested(name, Property(rest, slot, nested, "an object", "record", nested))
        elif isinstance(base, type) and issubclass(base, Enum):
            p = Property(rest, slot, str | Int32, "the name of an enum member")
            self._add_columns(p, {f"{name}_raw": as_text, name: reader_of(base)})
            self.annotations[f"{name}_raw"] = str | None
            raw = f"`{to_camel_case(name)}` as SuperOffice sent it, unknown values included."
            self.fields[f"{name}_raw"] = described(raw)
            self._require(rest, name, f"{name}_raw")
        elif kind == "name or number":
            self._add_columns(Property(rest, slot, str | Int32, "a string"), {name: as_text})
        elif base is DateTime:
            self._add_columns(Property(rest, slot, str, "a date-time"), {name: self.dates})
        else:
            self._add_property(Property(rest, name, *_WIRE[base]))
            if base is not str:
                self._require(rest, name)

    def derive(self, key: str | None) -> type[Record]:
        if key is not None:
            self.namespace["id"] = property(global_id)
        namespace = {
            **self.namespace,
            "properties": tuple(self.properties),
            "columns": self.columns,
            "required": self.required,
            "key": key,
        }
        made = msgspec.defstruct(
            self.name, self.slots, bases=(Record,), namespace=namespace, kw_only=True, gc=False
        )
        return cast("type[Record]", made)

    def _add_slot(self, slot: str, wire_type: Any, rest: str) -> None:
        self.slots.append((slot, wire_type | None, msgspec.field(default=None, name=rest)))

    def _require(self, rest: str, *names: str) -> None:
        """Mark fields that SuperOffice always sends."""
        if f"{self.name}.{rest}" not in NOT_ALWAYS_SENT:
            for name in names:
                self.required[name] = rest
                self.fields[name].directives = [SemanticNonNull()]

    def _add_property(self, p: Property) -> Property:
        if p.shape == "map" or (p.nested is not None and p.nested.key is not None):
            self.slots.append((p.slot, msgspec.Raw, msgspec.field(default=None, name=p.rest_name)))
            p = in_json(p)
        else:
            self._add_slot(p.slot, p.wire_type, p.rest_name)
        self.properties.append(p)
        return p

    def _add_nested(self, name: str, p: Property) -> None:
        self.namespace[name] = decoded(self._add_property(p))

    def _add_columns(self, p: Property, converts: Mapping[str, Convert]) -> None:
        """Add a property, and the fields that are computed from it."""
        self._add_property(p)
        for name, convert in converts.items():
            self.columns[name] = Column(p.slot, convert)
            self.namespace[name] = converted(p, convert)


def _without_none(annotation: Any) -> object:
    return get_optional_annotation(annotation) if is_optional(annotation) else annotation


_NAMES = "Only these; omit for all."


def _entries_resolver(name: str, entry: type) -> Callable[..., Any]:
    def resolve(root: object, names: list[str] | None = strawberry.UNSET) -> object:
        listed = read(root, name)
        if listed is None or names is None or names is strawberry.UNSET:
            return listed
        wanted = set(names)
        return [entry for entry in listed if entry.name in wanted]

    resolve.__annotations__ = {
        "root": strawberry.Parent[object],
        "names": Annotated[list[str] | None, strawberry.argument(description=_NAMES)],
        "return": types.GenericAlias(list, (entry,)) | None,
    }
    return resolve
