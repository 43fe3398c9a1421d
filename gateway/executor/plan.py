"""A plan: what a selection reads from an object, computed once per selection.

graphql-core itself collects the fields, so fragments, aliases, merged fields, `@skip` and
`@include` mean the same as there. A selection with a field that has a resolver has no plan: it is
executed field by field.

`Any` stands for the values that plans read and write: their types depend on the schema.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import graphql
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gateway.executor.internals import DEFINITION
from gateway.records.record import Convert, Record, Shape, find_record

_WORDS_OF_AN_ENUM = 256


class OddValueError(Exception):
    """A value does not fit the plan; executing it field by field reports the error."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a selection reads from objects of one class."""

    kind: type
    cells: "tuple[Cell, ...]"
    may_be_null: bool = False
    shape: Shape = "value"
    """How SuperOffice sends the objects; a blank one can stand for a missing linked record."""

    load: Convert | None = None
    """Reads the value of the attribute if it is still JSON."""

    lists: "tuple[bool, ...]" = ()
    """For each list around the objects, outermost first: whether it may be null."""

    names: frozenset[str] | None = None
    """The names of the selected entries of a map; None: all of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of the response: its name, and how its value is made from an attribute."""

    name: str
    attribute: str
    write: Convert | None = None
    """Converts the attribute's value for the response; None if they are the same."""

    inner: Plan | None = None
    """The plan for the attribute's objects, if it has any."""

    is_required: bool = False
    """Whether None does not fit the plan: projecting it raises."""


class _NoPlanError(Exception):
    """Part of the selection has to be executed field by field."""


def is_planned(kind: graphql.GraphQLObjectType) -> bool:
    """Return whether a type can have a plan: Strawberry's do, introspection's do not."""
    return DEFINITION in kind.extensions


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the selections of an operation, for some values of its variables."""

    schema: graphql.GraphQLSchema
    node: graphql.OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    variables: VariableValues

    def plan(self, kind: graphql.GraphQLObjectType, nodes: FieldDetailsList) -> Plan | None:
        """Plan what a field's nodes select on a type; None if that cannot be planned."""
        try:
            return self._plan(kind, nodes)
        except (_NoPlanError, graphql.GraphQLError):
            return None

    def _plan(self, kind: graphql.GraphQLObjectType, nodes: FieldDetailsList, **more: Any) -> Plan:
        definition: StrawberryObjectDefinition = kind.extensions[DEFINITION]
        record = find_record(definition.origin)
        selected = collect_subfields(
            self.schema, self.fragments, self.variables, self.node, kind, nodes
        )
        cells = (
            self._cell(name, kind, record, inner)
            for name, inner in selected.grouped_field_set.items()
        )
        # The objects of a concrete generic, such as Edge[ChatSession], are of the generic class.
        origin = (definition.concrete_of or definition).origin
        return Plan(record or origin, tuple(cells), **more)

    def _cell(
        self,
        name: str,
        kind: graphql.GraphQLObjectType,
        record: type[Record] | None,
        nodes: FieldDetailsList,
    ) -> Cell:
        field_name = nodes[0].node.name.value
        if field_name == "__typename":
            return Cell(name, "__class__", lambda _: kind.name)
        field = kind.fields[field_name]
        declared: StrawberryField = field.extensions[DEFINITION]
        attribute = declared.python_name
        if record is None:
            if not declared.is_basic_field:
                raise _NoPlanError
            return self._read(name, attribute, field.type, nodes)
        column = record.columns.get(attribute)
        is_required = attribute in record.required or isinstance(field.type, graphql.GraphQLNonNull)
        if column is not None:
            write = _converted(column.convert, field.type, is_required=is_required)
            return Cell(name, column.slot, write, is_required=is_required)
        p = next((p for p in record.properties if p.slot == f"_{attribute}"), None)
        if p is not None and p.shape in {"record", "map"}:
            more = {"shape": p.shape, "load": p.load, "names": self._names(field, nodes)}
            return self._read(name, p.slot, field.type, nodes, **more)
        if attribute in record.__struct_fields__:
            return Cell(name, attribute, is_required=is_required)
        return self._read(name, attribute, field.type, nodes)

    def _names(self, field: graphql.GraphQLField, nodes: FieldDetailsList) -> frozenset[str] | None:
        first = nodes[0]
        arguments = get_argument_values(
            field, first.node, self.variables, first.fragment_variable_values
        )
        names = arguments.get("names")
        return None if names is None else frozenset(names)

    def _read(
        self,
        name: str,
        attribute: str,
        kind: graphql.GraphQLOutputType,
        nodes: FieldDetailsList,
        **more: Any,
    ) -> Cell:
        lists = []
        kind, may_be_null = _nullable(kind)
        while isinstance(kind, graphql.GraphQLList):
            lists.append(may_be_null)
            kind, may_be_null = _nullable(kind.of_type)
        if isinstance(kind, graphql.GraphQLObjectType):
            more |= {"may_be_null": may_be_null, "lists": tuple(lists)}
            return Cell(name, attribute, inner=self._plan(kind, nodes, **more))
        if lists or not graphql.is_leaf_type(kind):
            raise _NoPlanError
        return Cell(name, attribute, _completed(kind, may_be_null=may_be_null))


def _nullable(kind: graphql.GraphQLOutputType) -> tuple[graphql.GraphQLOutputType, bool]:
    return (kind.of_type, False) if isinstance(kind, graphql.GraphQLNonNull) else (kind, True)


def _converted(convert: Convert, kind: graphql.GraphQLOutputType, *, is_required: bool) -> Convert:
    """Make the function that writes a column: a text as `convert` returns it, an enum by name."""
    if not isinstance(kind, graphql.GraphQLEnumType):
        return convert
    complete = _completed(kind, may_be_null=not is_required)
    return lru_cache(_WORDS_OF_AN_ENUM)(lambda word: complete(convert(word)))


def _completed(kind: graphql.GraphQLLeafType, *, may_be_null: bool) -> Convert:
    """Make the function that writes a leaf value; if it raises, graphql-core reports the error."""

    def write(value: object) -> object:
        if value is None and may_be_null:
            return None
        output = None if value is None else kind.coerce_output_value(value)
        if output is None:
            raise OddValueError
        return output

    return write
