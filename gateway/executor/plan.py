"""A plan: what a selection takes from an object, settled before there is one.

The fields are collected as graphql-core collects them, so fragments, aliases, merged fields,
`@skip` and `@include` mean what they mean there. A selection with a field that has to be resolved,
and not only read, has no plan: it is executed field by field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.executor import Executor
from graphql.execution.values import get_argument_values
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gateway.records.record import Record

__all__ = ["Cell", "OddValueError", "Plan", "Planner", "is_planned"]

_DEFINITION = "strawberry-definition"
_WORDS_OF_AN_ENUM = 256


class OddValueError(Exception):
    """A value is not what a plan is for; executing it field by field says what is wrong."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a selection takes from objects of one class."""

    kind: type
    cells: "tuple[Cell, ...]"
    may_be_null: bool = False
    is_link: bool = False
    """Whether they come out of the slots of records, where "none" can be written as an object."""

    decode: Callable[[Any], Any] | None = None
    """Reads what the attribute holds where that is JSON still."""

    is_map: bool = False
    """Whether they are the values of a JSON map, to be told their names there."""

    lists: "tuple[bool, ...]" = ()
    """For each list around the objects, from the outside in: whether it may be null."""

    names: frozenset[str] | None = None
    """Which entries of a map are wanted; None: all of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of the answer: its name there, and how it comes from an attribute of the object."""

    name: str
    attribute: str
    write: Callable[[Any], Any] | None = None
    """Makes the answer's value of the attribute's; None where they are the same."""

    inner: Plan | None = None
    """The plan for the attribute's objects, where there is more than a value."""


class _NoPlanError(Exception):
    """Something in the selection has to be executed."""


def is_planned(kind: GraphQLObjectType) -> bool:
    """Tell Strawberry's types, for which there can be plans, from those of introspection."""
    return _DEFINITION in kind.extensions


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes plans for an operation; `record_of` finds the record type of an entity."""

    operation: Executor[Any]
    record_of: Callable[[type], type[Record] | None]

    def plan(self, kind: GraphQLObjectType, nodes: FieldDetailsList) -> Plan | None:
        """Plan what a field's nodes select on a type; None where that has to be executed."""
        try:
            return self._plan(kind, nodes)
        except (_NoPlanError, GraphQLError):
            return None

    def _plan(self, kind: GraphQLObjectType, nodes: FieldDetailsList, **more: Any) -> Plan:
        definition: StrawberryObjectDefinition = kind.extensions[_DEFINITION]
        record = self.record_of(definition.origin)
        selected = self.operation.collect_subfields(kind, nodes).grouped_field_set
        cells = (self._cell(name, kind, record, inner) for name, inner in selected.items())
        return Plan(record or definition.origin, tuple(cells), **more)

    def _cell(
        self,
        name: str,
        kind: GraphQLObjectType,
        record: type[Record] | None,
        nodes: FieldDetailsList,
    ) -> Cell:
        field_name = nodes[0].node.name.value
        if field_name == "__typename":
            return Cell(name, "__class__", lambda _: kind.name)
        field = kind.fields[field_name]
        declared: StrawberryField = field.extensions[_DEFINITION]
        if record is not None:
            return self._cell_of_record(name, declared.python_name, record, field, nodes)
        if not declared.is_basic_field:
            raise _NoPlanError
        return self._read(name, declared.python_name, field.type, nodes)

    def _cell_of_record(
        self,
        name: str,
        attribute: str,
        record: type[Record],
        field: GraphQLField,
        nodes: FieldDetailsList,
    ) -> Cell:
        column = record.columns.get(attribute)
        if column is not None:
            return Cell(name, column.slot, _converted(column.convert, field.type))
        p = next((p for p in record.properties if p.slot in {attribute, f"_{attribute}"}), None)
        if p is not None and p.shape == "record":
            return self._read(name, p.slot, field.type, nodes, is_link=True, decode=p.decode)
        if attribute in record.__struct_fields__:
            return Cell(
                name, attribute, _required if isinstance(field.type, GraphQLNonNull) else None
            )
        if p is not None and p.shape == "map":
            more = {"names": self._names(field, nodes), "decode": p.decode, "is_map": True}
            return self._read(name, p.slot, field.type, nodes, **more)
        return self._read(name, attribute, field.type, nodes)

    def _names(self, field: GraphQLField, nodes: FieldDetailsList) -> frozenset[str] | None:
        first = nodes[0]
        arguments = get_argument_values(
            field, first.node, self.operation.variable_values, first.fragment_variable_values
        )
        names = arguments.get("names")
        return None if names is None else frozenset(names)

    def _read(
        self,
        name: str,
        attribute: str,
        kind: GraphQLOutputType,
        nodes: FieldDetailsList,
        **more: Any,
    ) -> Cell:
        lists = []
        kind, may_be_null = _nullable(kind)
        while isinstance(kind, GraphQLList):
            lists.append(may_be_null)
            kind, may_be_null = _nullable(kind.of_type)
        if isinstance(kind, GraphQLObjectType):
            more |= {"may_be_null": may_be_null, "lists": tuple(lists)}
            return Cell(name, attribute, inner=self._plan(kind, nodes, **more))
        if lists or not is_leaf_type(kind):
            raise _NoPlanError
        return Cell(name, attribute, _completed(kind, may_be_null=may_be_null))


def _nullable(kind: Any) -> tuple[Any, bool]:
    return (kind.of_type, False) if isinstance(kind, GraphQLNonNull) else (kind, True)


def _required(value: Any) -> Any:
    if value is None:
        raise OddValueError
    return value


def _converted(convert: Callable[[Any], Any], kind: Any) -> Callable[[Any], Any]:
    """Write a column: a text as it is converted, an enum by its name."""
    if not isinstance(kind, GraphQLEnumType):
        return convert
    complete = _completed(kind, may_be_null=True)
    return lru_cache(_WORDS_OF_AN_ENUM)(lambda word: complete(convert(word)))


def _completed(kind: GraphQLLeafType, *, may_be_null: bool) -> Callable[[Any], Any]:
    """Write a value as graphql-core completes it."""

    def write(value: Any) -> Any:
        if value is not None:
            return Executor.complete_leaf_value(kind, value)
        if may_be_null:
            return None
        raise OddValueError

    return write
