"""Strawberry's executor, faster where objects are only read.

graphql-core takes some microseconds for each field of each object. Here a selection becomes one
function that projects an object in a single call. Whatever that function cannot do is left to
graphql-core, object by object: errors, their paths and their order are always its own.

`Any` stands where graphql-core's own signatures have it: values of resolvers, and the positions
of incremental delivery.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeAlias

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.executor import internals
from gateway.executor.plan import is_planned
from gateway.executor.project import Project
from gateway.executor.projections import Projections

Info: TypeAlias = GraphQLResolveInfo[Any]

# Longer lists are projected in parts of this size, so that other requests run in between.
_PART = 250


def executor_over(projections: Projections) -> "type[ProjectingExecutor]":
    """Make the executor of one schema."""
    return type("Executor", (ProjectingExecutor,), {"projections": projections})


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes objects and lists of objects by projections, where they have one."""

    projections: ClassVar[Projections]

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """Build the response, then break the reference cycle."""
        internals.release(self)
        return super().build_response(data)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: Info,
        path: Path,
        result: object,
        position_context: Any,
    ) -> Any:
        """Complete an object."""
        project = self._projection(return_type, field_details_list)
        if project:
            with suppress(Exception):  # graphql-core then reports the error
                return project(result)
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: Info,
        path: Path,
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

        def complete(start: int) -> list[object]:
            part = result[start : start + _PART]
            with suppress(Exception):  # graphql-core then reports the error
                return [project(item) for item in part]
            completed: list[object] = []
            for index, item in enumerate(part, start):
                item_path = path.add_key(index, None)
                self.complete_list_item_value(
                    item,
                    completed,
                    item_type,
                    field_details_list,
                    info,
                    item_path,
                    position_context,
                )
            return completed

        return complete(0) if len(result) <= _PART else _in_parts(complete, len(result))

    def _projection(
        self, kind: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> Project | None:
        # A middleware sees each field as it is resolved: with one, every field has to be.
        has_middlewares = self.middleware_manager and self.middleware_manager.middlewares
        if has_middlewares or not is_planned(kind):
            return None
        return self.projections.find(self, kind, field_details_list)


async def _in_parts(complete: Callable[[int], list[object]], size: int) -> list[object]:
    completed = complete(0)
    for start in range(_PART, size, _PART):
        await asyncio.sleep(0)
        completed += complete(start)
    return completed


async def projected(project: Project, items: list[object]) -> list[object]:
    """Project a list, in parts."""
    return await _in_parts(
        lambda start: [project(item) for item in items[start : start + _PART]], len(items)
    )
