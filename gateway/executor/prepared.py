"""Prepared queries: work that all executions of a document have in common is done once.

graphql-core collects the root fields, coerces constant arguments and builds an executor for every
request, which takes longer than a small query itself. A prepared query calls the resolvers of its
root fields and projects what they return. It only makes data: after any error, graphql-core
executes the query from the start.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import graphql
import orjson
import strawberry
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, collect_fields
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField

from gateway.executor.internals import DEFINITION, graphql_schema
from gateway.executor.plan import Planner
from gateway.executor.project import Known
from gateway.executor.projections import (
    Projection,
    Projections,
    Selection,
    fragments_of,
    variables_in,
)
from gateway.executor.turns import STEPS_PER_TURN, Turns, next_turn
from gateway.sessions.snapshot import Snapshot, compact

_NO_VARIABLES = VariableValues({}, {})
_STEPS_PER_CHARACTER = 10
_SEEN_BYTES = 300
_ROW_BYTES = 200
"""The memory of one more entry."""

_STEPS_PER_ROW, _BYTES_PER_STEP = 2, 200
"""The cost of a cached row: to find it, and to copy it into the answer."""


@dataclass(slots=True)
class _Root:
    """A root field that returns an object of one type, or a list of them; either may be null."""

    name: str
    """The name of its value in the response."""

    field: graphql.GraphQLField
    """Only with arguments that are sent or have a default: each other one takes 3 µs a request."""

    declared: list[StrawberryArgument]
    """The same arguments, as Strawberry declares them."""

    details: FieldDetailsList
    selection: Callable[[], Selection]
    """Finds its selection when it is first executed: to find all of them at once takes long."""

    constant: dict[str, object] | None = None
    """Its arguments, if they contain no variable."""

    steps: int = 0
    """The cost of converting arguments with variables, without the values of these."""


class NotPreparedError(Exception):
    """The query has to be executed by graphql-core."""


class Prepared:
    """A query of root fields whose resolvers are ours."""

    def __init__(
        self,
        schema: strawberry.Schema,
        projections: Projections,
        document: graphql.DocumentNode,
        operation_name: str | None,
    ) -> None:
        """Prepare a valid document.

        Raises:
            NotPreparedError: its operation is not a query, or a root field is not one of ours.
        """
        node = graphql.get_operation_ast(document, operation_name)
        if node is None or node.operation is not graphql.OperationType.QUERY:
            raise NotPreparedError
        self._fragments = fragments_of(document)
        fragments = {name: FragmentDetails(d) for name, d in self._fragments.items()}
        self._schema = schema
        self._projections = projections
        self._planner = Planner(graphql_schema(schema), node, fragments, _NO_VARIABLES)
        self._roots = self._collected()

    async def execute(
        self, context: Any, variables: dict[str, object] | None, variables_bytes: int = 0
    ) -> dict[str, object] | None:
        """Return the data, for orjson; None if graphql-core has to execute the query.

        `context` is that of the resolvers; they set its `served` to the caller's sessions.
        """
        planner = self._planner
        if planner.node.variable_definitions:
            values = get_variable_values(
                planner.schema,
                planner.node.variable_definitions,
                variables or {},
                max_errors=0,  # graphql-core then reports fifty of them
                hide_suggestions=True,
            )
            if isinstance(values, list):
                return None
            planner = Planner(planner.schema, planner.node, planner.fragments, values)
        data, turns = dict[str, object](), Turns()
        with suppress(Exception):  # graphql-core then reports the error
            for root in self._roots:
                steps = root.steps and root.steps + _STEPS_PER_CHARACTER * variables_bytes
                await turns.spend(steps)
                key = root.selection().key(planner.variables)
                found = self._projections.get(key)
                if found is False:
                    return None
                # Before a projection is made: for a client without credentials, it raises.
                value = await self._resolved(root, context, planner.variables)
                if found is None:
                    await next_turn()
                    found = self._projections.make(key, planner, root.details, turns)
                if not found:
                    return None
                if isinstance(value, list):
                    snapshot = context.served.snapshot if context.served else None
                    value = await _rows(found, value, snapshot, turns)
                elif value is not None:
                    await turns.spend(cost := found.cost(value))
                    if found.is_long(cost):
                        return None
                    value = orjson.Fragment(found.json(value, {}))
                data[root.name] = value
            return data
        return None

    async def _resolved(self, root: _Root, context: object, variables: VariableValues) -> Any:
        declared: StrawberryField = root.field.extensions[DEFINITION]
        raw_info: Any = SimpleNamespace(
            context=context,
            schema=self._planner.schema,
            field_nodes=[detail.node for detail in root.details],
            fragments=self._fragments,
            variable_values=variables,
        )
        info = self._schema.config.info_class(_raw_info=raw_info, _field=declared)
        arguments = root.constant
        if arguments is None:
            arguments = self._arguments(root, variables)
        assert declared.base_resolver  # noqa: S101  every root field has one
        return await declared.base_resolver(info=info, **arguments)

    def _arguments(self, root: _Root, variables: VariableValues) -> dict[str, object]:
        return convert_arguments(
            get_argument_values(root.field, root.details[0].node, variables),
            root.declared,
            self._schema.schema_converter.scalar_registry,
            self._schema.config,
        )

    def _collected(self) -> list[_Root]:
        schema, fragments, node = self._planner.schema, self._planner.fragments, self._planner.node
        query_type = schema.query_type
        assert query_type  # noqa: S101  there is one
        collected = collect_fields(
            schema, fragments, _NO_VARIABLES, query_type, node, forbid_skip_and_include=True
        )
        if collected.forbidden_directive_instances:
            raise NotPreparedError
        return [
            self._root(name, query_type, details)
            for name, details in collected.grouped_field_set.items()
        ]

    def _root(
        self, name: str, query_type: graphql.GraphQLObjectType, details: FieldDetailsList
    ) -> _Root:
        node = details[0].node
        field = query_type.fields.get(node.name.value)
        if field is None:
            raise NotPreparedError
        sent = {argument.name.value for argument in node.arguments or ()}
        used = {
            name: argument
            for name, argument in field.args.items()
            if name in sent or argument.default_value is not graphql.Undefined
        }
        kind = graphql.get_named_type(field.type)
        if not isinstance(kind, graphql.GraphQLObjectType):
            raise NotPreparedError
        field = graphql.GraphQLField(**{**field.to_kwargs(), "args": used})
        name_of = self._schema.config.name_converter.from_argument
        declared = [one for one in field.extensions[DEFINITION].arguments if name_of(one) in used]
        selection = cache(partial(self._projections.selection, self._planner, kind, details))
        root = _Root(name, field, declared, details, selection)
        if variables_in(node.arguments or (), {}):
            written = sum(a.loc.end - a.loc.start for a in node.arguments or () if a.loc)
            root.steps = _STEPS_PER_CHARACTER * written
        else:
            root.constant = self._arguments(root, _NO_VARIABLES)
        return root


async def _rows(
    found: Projection, items: list[object], snapshot: Snapshot | None, turns: Turns
) -> list[orjson.Fragment] | orjson.Fragment:
    """Project the sessions of a list.

    Requests for most of a snapshot have the same rows, whatever their variables: from the second
    one on, rows are cached as JSON. For a hundred whole sessions that halves the time.
    """
    if snapshot is None or 2 * len(items) < len(snapshot.sessions):
        return await _projected(found, items, turns)
    cached, key = snapshot.attachments, found.project
    rows, size_bytes = cached.get(key) or (dict[int, orjson.Fragment](), 0)
    if not rows and not cached.get(seen := ("seen", key)):
        cached.add(seen, True, _SEEN_BYTES)
        return await _projected(found, items, turns)
    if not rows:
        known = Known()
        for session in snapshot.sessions:
            made = compact(found.json(session, known))
            rows[id(session)] = orjson.Fragment(made)
            size_bytes += len(made) + _ROW_BYTES
            await turns.spend(found.steps + len(made) // _BYTES_PER_STEP)
        cached.add(key, (rows, size_bytes), size_bytes)
    await turns.spend(_STEPS_PER_ROW * len(items) + size_bytes // _BYTES_PER_STEP)
    return [rows[id(item)] for item in items]


async def _projected(
    found: Projection, items: list[object], turns: Turns
) -> list[orjson.Fragment] | orjson.Fragment:
    """Project a list; yield to other requests if it is long."""
    await turns.spend(cost := found.cost(items))
    if cost <= STEPS_PER_TURN:
        return found.list_json(items)
    made, known = list[orjson.Fragment](), Known()
    for item in items:
        made.append(orjson.Fragment(found.json(item, known)))
        await turns.spend(found.steps)
    return made
