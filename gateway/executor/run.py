"""Strawberry's executor, faster for objects that are only read.

graphql-core takes some microseconds for each field of each object. Here a selection becomes one
function that projects an object in a single call. Objects that it cannot project are left to
graphql-core: errors, their paths and their order are always its own.

The overridden methods pass their `arguments` on as they are; `Any` stands for their types.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar

import graphql
import orjson
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.executor import internals
from gateway.executor.plan import Planner, is_planned
from gateway.executor.project import Known
from gateway.executor.projections import Projection, Projections
from gateway.executor.turns import STEPS_PER_TURN, Turns
from gateway.sessions.snapshot import compact

_STEPS_OF_AN_UNPLANNED_ITEM = 100
_STEPS_OF_AN_ERROR = 500
_STEPS_OF_A_ROOT_FIELD = 3_000  # its arguments can have 2,000 values


def executor_over(projections: Projections) -> "type[ProjectingExecutor]":
    """Make the executor of one schema."""
    return type("Executor", (ProjectingExecutor,), {"projections": projections})


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes objects and lists of objects by projections, if they have one."""

    projections: ClassVar[Projections]

    @cached_property
    def turns(self) -> Turns:
        """The steps of this operation."""
        return Turns()

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.schema, self.operation, self.fragments, self.variable_values)

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """Build the response, then break the reference cycle."""
        internals.release(self)
        return super().build_response(data)

    def execute_field(self, *arguments: Any) -> Any:
        """Execute a field; a root field waits for its turn if others came before."""
        _, _, _, path, _ = arguments
        if path.prev is None:
            if self.turns.steps >= STEPS_PER_TURN:
                return self._later(self.execute_field, *arguments)
            self.turns.steps += _STEPS_OF_A_ROOT_FIELD
        return super().execute_field(*arguments)

    def complete_object_value(self, *arguments: Any) -> Any:
        """Complete an object."""
        return_type, details, _, _, result, _ = arguments
        if self.turns.steps >= STEPS_PER_TURN:
            return self._later(self.complete_object_value, *arguments)
        found = self._projection(return_type, details)
        if found and not found.is_long(cost := found.cost(result)):
            self.turns.steps += cost
            with suppress(Exception):  # graphql-core then reports the error
                return orjson.Fragment(found.json(result, {}))
            self.turns.steps += _STEPS_OF_AN_ERROR
        return super().complete_object_value(*arguments)

    def complete_list_value(self, *arguments: Any) -> Any:
        """Complete a list."""
        return_type, details, _, _, result, _ = arguments
        if self.turns.steps >= STEPS_PER_TURN:
            return self._later(self.complete_list_value, *arguments)
        item_type = return_type.of_type
        kind = item_type.of_type if isinstance(item_type, graphql.GraphQLNonNull) else item_type
        found = None
        if isinstance(kind, graphql.GraphQLObjectType):
            found = self._projection(kind, details)
        steps = found.steps if found else _STEPS_OF_AN_UNPLANNED_ITEM
        if self.turns.steps + steps * len(result) > STEPS_PER_TURN:
            return self._long_list(found, steps, *arguments)
        self.turns.steps += steps * len(result)
        if found:
            with suppress(Exception):  # graphql-core then reports the error
                return found.list_json(result)
        return super().complete_list_value(*arguments)

    async def _long_list(
        self, found: Projection | None, steps: int, *arguments: Any
    ) -> list[orjson.Fragment]:
        """Complete a list in turns, each item as JSON: encoding all at once would take too long."""
        return_type, details, info, path, result, position = arguments
        rows, known = list[orjson.Fragment](), Known()
        for index, item in enumerate(result):
            row = None
            if found:
                with suppress(Exception):  # graphql-core then reports the error
                    row = found.json(item, known)
            if row is None:
                place, made = path.add_key(index, None), list[Any]()
                if self.complete_list_item_value(
                    item, made, return_type.of_type, details, info, place, position
                ):
                    made[0] = await made[0]
                row = orjson.dumps(made[0])
            rows.append(orjson.Fragment(compact(row)))
            await self.turns.spend(steps)
        return rows

    async def _later(self, complete: Callable[..., Any], *arguments: Any) -> Any:
        await self.turns.spend(0)
        completed = complete(*arguments)
        return await completed if self.is_awaitable(completed) else completed

    def _projection(
        self, kind: graphql.GraphQLObjectType, details: FieldDetailsList
    ) -> Projection | None:
        if not is_planned(kind):
            return None
        key = self.projections.selection(self._planner, kind, details).key(self.variable_values)
        found = self.projections.get(key)
        if found is None:
            found = self.projections.make(key, self._planner, details, self.turns)
        return found or None
