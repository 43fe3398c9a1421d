"""Declare a REST type once: as a Strawberry type whose records derive from it.

    @entity("An open or finished chat.", key="chat_session_id")
    class ChatSession:
        chat_session_id: int | None = prop("Primary key.")
        url_name: str | None = prop("Shown instead of the address.", rest="URLName")

gives the GraphQL type `ChatSession` and the record type that decodes `{"ChatSessionId": 1, …}`.
The REST name is the GraphQL name with its first letter raised, unless `rest` says otherwise. Which
Python type a property has decides how it is read:

    int, float, bool, str    as it is
    DateTime                 unset is null, the offset gets its colon
    an enum                  a member; beside field `x` comes `xRaw`, the text that REST sent
    another entity           null where REST means "none"
    list of lists            the same, line by line
    entries(...)             a JSON map as a list of entries, each with its `name`
"""

import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar, dataclass_transform

import msgspec
import strawberry
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from gateway.schema import readers
from gateway.schema.records import Int32, Property, Record, read
from gateway.schema.rest_enum import reader_of
from gateway.schema.scalars import DateTime

__all__ = ["entity", "entries", "entry_name", "entry_value", "prop", "record_of"]

T = TypeVar("T")
_REST = "rest"
_KIND = "kind"
_RECORDS: dict[type, type[Record]] = {}
_WIRE: dict[object, tuple[Any, str]] = {
    int: (Int32, "a 32-bit integer"),
    float: (float, "a number"),
    bool: (bool, "a boolean"),
    str: (str, "a string"),
    DateTime: (str, "a date-time"),
}


def prop(description: str, *, rest: str | None = None) -> Any:
    """Declare one REST property; `rest` is its name there where the rule does not give it."""
    return strawberry.field(description=description, metadata={_KIND: "prop", _REST: rest})


def entries(description: str) -> Any:
    """Declare a JSON map, shown as a list of entries; `names` picks some of them."""
    return strawberry.field(description=description, metadata={_KIND: "entries", _REST: None})


def entry_name(description: str) -> Any:
    """Declare the field of an entry that holds its name in the map."""
    return strawberry.field(description=description, metadata={_KIND: "name"})


def entry_value(description: str) -> Any:
    """Declare the field of an entry that holds the text the map has under its name."""
    return strawberry.field(description=description, metadata={_KIND: "value"})


def record_of(entity_type: type) -> type[Record]:
    """Return the record type that an entity's JSON is decoded into."""
    return _RECORDS[entity_type]


@dataclass_transform(
    kw_only_default=True, field_specifiers=(prop, entries, entry_name, entry_value)
)
def entity(description: str, *, key: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class of declarations a GraphQL type, and derive its record type.

    `key` names the field whose 0 means, in a linked object, that there is none.
    """

    def declare(cls: type[T]) -> type[T]:
        record = _Derivation(cls)
        for name, annotation in typing.get_type_hints(cls).items():
            record.add(name, annotation, cls.__dict__[name])
        cls.__annotations__ = record.annotations
        for name, field in record.fields.items():
            setattr(cls, name, field)
        _RECORDS[cls] = record.derive(key)
        return strawberry.type(cls, description=description)

    return declare


class _Derivation:
    """Collects, field by field, what the record type and the GraphQL type need."""

    def __init__(self, cls: type) -> None:
        self.name = cls.__name__
        self.annotations: dict[str, Any] = {}
        self.fields: dict[str, StrawberryField] = {}
        self.slots: list[tuple[str, Any, Any]] = []
        self.namespace: dict[str, Any] = {}
        self.properties: list[Property] = []

    def add(self, name: str, annotation: Any, field: StrawberryField) -> None:
        self.annotations[name] = annotation
        self.fields[name] = field
        kind = field.metadata[_KIND]
        if kind in {"name", "value"}:
            # A name that no property of REST has.
            self._slot(name, str, f"#{kind}")
            return
        rest = field.metadata[_REST] or _rest_name(name)
        base = _without_none(annotation)
        if kind == "entries":
            self._add_entries(name, rest, typing.get_args(base)[0])
        elif typing.get_origin(base) is list:
            nested = record_of(typing.get_args(typing.get_args(base)[0])[0])
            self._add_nested(name, rest, list[list[nested]], nested, "lines")  # type: ignore[valid-type]
        elif base in _RECORDS:
            self._add_nested(name, rest, record_of(base), record_of(base), "record")
        elif isinstance(base, type) and issubclass(base, Enum):
            self._add_enum(name, rest, base)
        else:
            self._add_value(name, rest, base)

    def derive(self, key: str | None) -> type[Record]:
        namespace = {**self.namespace, "properties": tuple(self.properties), "key": key}
        return typing.cast(
            "type[Record]",
            msgspec.defstruct(
                self.name, self.slots, bases=(Record,), namespace=namespace, kw_only=True, gc=False
            ),
        )

    def _slot(self, slot: str, wire_type: Any, rest: str) -> None:
        self.slots.append((slot, wire_type | None, msgspec.field(default=None, name=rest)))

    def _add_value(self, name: str, rest: str, base: Any) -> None:
        wire_type, expected = _WIRE[base]
        slot = f"_{name}" if base is DateTime else name
        self._slot(slot, wire_type, rest)
        prop_ = Property(rest, slot, wire_type, expected)
        self.properties.append(prop_)
        if base is DateTime:
            self.namespace[name] = readers.date(prop_)

    def _add_enum(self, name: str, rest: str, enum: type[Enum]) -> None:
        slot, raw = f"_{name}", f"{name}_raw"
        self._slot(slot, str | Int32, rest)
        self.properties.append(Property(rest, slot, str | Int32, "the name of an enum member"))
        self.namespace[name] = readers.enum(slot, reader_of(enum))
        self.namespace[raw] = readers.raw(slot)
        self.annotations[raw] = str | None
        self.fields[raw] = strawberry.field(
            description=f"`{to_camel_case(name)}` exactly as REST sent it, known name or not."
        )

    def _add_nested(
        self,
        name: str,
        rest: str,
        wire_type: Any,
        nested: type[Record],
        shape: typing.Literal["record", "lines"],
    ) -> None:
        expected = "an object" if shape == "record" else "a list of lists of objects"
        self._slot(f"_{name}", wire_type, rest)
        self.properties.append(Property(rest, f"_{name}", wire_type, expected, shape, nested))
        self.namespace[name] = (
            readers.record(f"_{name}") if shape == "record" else readers.slot(f"_{name}")
        )

    def _add_entries(self, name: str, rest: str, entry: type) -> None:
        nested = record_of(entry)
        slot = f"_{name}"
        is_text = not nested.properties
        wire_type = dict[str, str | None] if is_text else dict[str, nested | None]  # type: ignore[valid-type]
        self._slot(slot, wire_type, rest)
        self.properties.append(
            Property(rest, slot, wire_type, "an object", "map", None if is_text else nested)
        )
        self.namespace[name] = readers.entries(slot, nested, is_text=is_text)
        field = self.fields[name]
        self.fields[name] = strawberry.field(
            resolver=_entries_resolver(name, entry), description=field.description
        )


def _rest_name(name: str) -> str:
    camel = to_camel_case(name)
    return camel[0].upper() + camel[1:]


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next(arm for arm in typing.get_args(annotation) if arm is not types.NoneType)
    return annotation


def _entries_resolver(name: str, entry: type) -> Callable[..., Any]:
    def resolve(root: Any, names: Any = strawberry.UNSET) -> Any:
        listed = read(root, name)
        if listed is None or names is None or names is strawberry.UNSET:
            return listed
        wanted = set(names)
        return [entry for entry in listed if entry.name in wanted]

    a_list: Any = list  # indexed with a class that no type checker can know
    resolve.__annotations__ = {
        "root": strawberry.Parent[Any],  # type: ignore[misc]  # an alias mypy cannot follow
        "names": list[str] | None,
        "return": a_list[entry] | None,
    }
    return resolve
