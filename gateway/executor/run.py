"""Strawberry's executor, faster where objects are only read.

graphql-core takes some microseconds for each field of each object. Here a selection becomes one
function, which then makes the answer of an object in one go. Whatever that function cannot do, it
leaves to graphql-core, object by object: errors, their paths and their order are always its own.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.executor.plan import is_planned
from gateway.executor.project import Project
from gateway.executor.projections import Projections
from gateway.records.record import Record

__all__ = ["executor_over"]

# Longer lists are made in parts of this size, so that other requests get their turn in between.
_PART = 250

_NO_HELPERS: Any = None  # once all fields are executed nobody asks for them


def executor_over(
    record_of: Callable[[type], type[Record] | None],
) -> "type[ProjectingExecutor]":
    """Make the executor of one schema; `record_of` finds the record type of an entity."""
    return type("Executor", (ProjectingExecutor,), {"projections": Projections(record_of)})


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes objects and lists of objects by projections, where they have one."""

    projections: ClassVar[Projections]

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """Build the response, and come apart."""
        # They hold this executor as it holds them: REST's answer, which the context has, would stay
        # in memory until the garbage collector comes by.
        self.async_helpers = _NO_HELPERS
        return super().build_response(data)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete an object."""
        project = self._projection(return_type, field_details_list)
        if project:
            with suppress(Exception):  # whatever it is, execution tells it properly
                return project(result)
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetailsList,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete a list."""
        item_type = return_type.of_type
        kind = item_type.of_type if isinstance(item_type, GraphQLNonNull) else item_type
        project = (
            self._projection(kind, field_details_list)
            if isinstance(kind, GraphQLObjectType) and result.__class__ is list
            else None
        )
        if project is None:
            return super().complete_list_value(
                return_type, field_details_list, info, path, result, position_context
            )

        def complete(start: int) -> list[Any]:
            part = result[start : start + _PART]
            with suppress(Exception):  # whatever it is, execution tells it properly
                return [project(item) for item in part]
            completed: list[Any] = []
            for index, item in enumerate(part, start):
                self.complete_list_item_value(
                    item,
                    completed,
                    item_type,
                    field_details_list,
                    info,
                    path.add_key(index, None),
                    position_context,
                )
            return completed

        return complete(0) if len(result) <= _PART else _in_parts(complete, len(result))

    def _projection(
        self, kind: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> Project | None:
        # Middlewares see each field as it is resolved, so there must be none to pass by.
        has_middlewares = self.middleware_manager and self.middleware_manager.middlewares
        if has_middlewares or not is_planned(kind):
            return None
        return self.projections.find(self, kind, field_details_list)


async def _in_parts(complete: Callable[[int], list[Any]], size: int) -> list[Any]:
    completed = complete(0)
    for start in range(_PART, size, _PART):
        await asyncio.sleep(0)
        completed += complete(start)
    return completed
