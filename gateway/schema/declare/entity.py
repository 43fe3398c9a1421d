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

What REST does not send but what it sends tells is `derived(...)`. A type with a key can be a
`Node`.
"""

import inspect
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, TypeVar, dataclass_transform

import msgspec
import strawberry
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from gateway.records import readers
from gateway.records.decode import in_json
from gateway.records.record import Column, Int32, Property, Record, read
from gateway.schema.declare.nodes import Node, global_id
from gateway.schema.declare.rest_enum import reader_of
from gateway.schema.declare.scalars import DateTime

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


def prop(description: str, *, rest: str | None = None, may_be_number: bool = False) -> Any:
    """Declare one REST property; `rest` is its name there where the rule does not give it.

    `may_be_number` is for a text that .NET writes as a number where it has no name for it.
    """
    kind = "name or number" if may_be_number else "prop"
    return strawberry.field(description=description, metadata={_KIND: kind, _REST: rest})


def derived(reader: Callable[[Any], Any], description: str) -> Any:
    """Declare a field that is computed from the record's other fields by `reader`."""
    return strawberry.field(description=description, metadata={_KIND: "derived", "reader": reader})


def entries(description: str) -> Any:
    """Declare a JSON map, shown as a list of entries; `names` picks some of them."""
    return strawberry.field(description=description, metadata={_KIND: "entries", _REST: None})


def entry_part(description: str) -> Any:
    """Declare a field of an entry that comes from the map: `name`, `value` or `display_text`."""
    return strawberry.field(description=description, metadata={_KIND: "entry part"})


def record_of(entity_type: type) -> type[Record]:
    """Return the record type that an entity's JSON is decoded into."""
    return _RECORDS[entity_type]


def find_record(any_type: type) -> type[Record] | None:
    """Return the record type of what may be an entity."""
    return _RECORDS.get(any_type)


@dataclass_transform(kw_only_default=True, field_specifiers=(prop, derived, entries, entry_part))
def entity(
    description: str, *, key: str | None = None, stamps: tuple[str, ...] = ()
) -> Callable[[type[T]], type[T]]:
    """Make a class of declarations a GraphQL type, and derive its record type.

    `key` names the field that tells objects of the type apart; in a linked object, 0 there means
    that there is none. `stamps` name slots of the record that REST does not fill, but whoever
    makes or reads the snapshot.
    """

    def declare(cls: type[T]) -> type[T]:
        derivation = _Derivation(cls)
        for stamp in stamps:
            derivation.add_slot(stamp, Any, f"#{stamp}")
        for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
            derivation.add(name, annotation, cls.__dict__[name])
        cls.__annotations__ = derivation.annotations
        for name, field in derivation.fields.items():
            setattr(cls, name, field)
        record = _RECORDS[cls] = derivation.derive(key)
        if issubclass(cls, Node):
            # graphql-core asks it to find the type behind an interface.
            cls.is_type_of = staticmethod(lambda obj, _info: isinstance(obj, record))  # type: ignore[attr-defined]
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
        self.columns: dict[str, Column] = {}

    def add(self, name: str, annotation: Any, field: StrawberryField) -> None:
        self.annotations[name] = annotation
        self.fields[name] = field
        kind = field.metadata[_KIND]
        if kind == "entry part":
            self.add_slot(name, str, f"#{name}")
            return
        if kind == "derived":
            self.namespace[name] = property(field.metadata["reader"])
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
            self._add_name_or_number(name, f"{name}_raw", rest, "the name of an enum member")
            self._add_member(name, base)
        elif kind == "name or number":
            self._add_name_or_number(name, name, rest, "a string")
        else:
            self._add_value(name, rest, base)

    def derive(self, key: str | None) -> type[Record]:
        if key is not None:
            self.namespace["id"] = property(global_id)
        namespace = {
            **self.namespace,
            "properties": tuple(self.properties),
            "columns": self.columns,
            "key": key,
        }
        return typing.cast(
            "type[Record]",
            msgspec.defstruct(
                self.name, self.slots, bases=(Record,), namespace=namespace, kw_only=True, gc=False
            ),
        )

    def add_slot(self, slot: str, wire_type: Any, rest: str) -> None:
        # A REST name with a "#" in front is none: what has it comes from us.
        self.slots.append((slot, wire_type | None, msgspec.field(default=None, name=rest)))

    def _add_value(self, name: str, rest: str, base: Any) -> None:
        wire_type, expected = _WIRE[base]
        slot = f"_{name}" if base is DateTime else name
        self.add_slot(slot, wire_type, rest)
        self.properties.append(Property(rest, slot, wire_type, expected))
        if base is DateTime:
            self._add_column(name, readers.date)

    def _add_name_or_number(self, name: str, text: str, rest: str, expected: str) -> None:
        self.add_slot(f"_{name}", str | Int32, rest)
        self.properties.append(Property(rest, f"_{name}", str | Int32, expected))
        self._add_column(text, readers.as_text)

    def _add_column(self, name: str, convert: Callable[[Any], Any]) -> None:
        """Add a field that is made of the property added last."""
        p = self.properties[-1]
        self.columns[name] = Column(p.slot, convert)
        self.namespace[name] = readers.converted(p, convert)

    def _add_member(self, name: str, enum: type[Enum]) -> None:
        self._add_column(name, reader_of(enum))
        self.annotations[f"{name}_raw"] = str | None
        self.fields[f"{name}_raw"] = strawberry.field(
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
        p = Property(rest, f"_{name}", wire_type, expected, shape, nested)
        if nested.key is None:
            self.add_slot(p.slot, wire_type, rest)
        else:
            p = self._add_json_slot(p)
        self.properties.append(p)
        self.namespace[name] = readers.linked(p) if shape == "record" else readers.slot(p.slot)

    def _add_json_slot(self, p: Property) -> Property:
        self.slots.append((p.slot, msgspec.Raw, msgspec.field(default=None, name=p.rest_name)))
        return in_json(p)

    def _add_entries(self, name: str, rest: str, entry: type) -> None:
        p = Property(rest, f"_{name}", msgspec.Raw, "an object", "map", record_of(entry))
        p = self._add_json_slot(p)
        self.properties.append(p)
        self.namespace[name] = readers.entries(p)
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


_NAMES = "Which entries, by name; all of them without it."


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
        "names": Annotated[list[str] | None, strawberry.argument(description=_NAMES)],
        "return": a_list[entry] | None,
    }
    return resolve
