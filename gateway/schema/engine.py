"""Execute GraphQL operations, whatever carries them: HTTP, a WebSocket, the command line."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from gateway.errors import GatewayError
from gateway.schema.build import Schema
from gateway.schema.context import Context
from gateway.schema.error_codes import unresolved

_READING = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to execute one operation of a document (GraphQL spec, section 6.1)."""

    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    when_answered: Callable[[], Awaitable[None]] | None = field(default=None, compare=False)
    """Called when SuperOffice's sessions have answered it without errors, for the first time."""

    async def answered(self, answer: "Answer", context: Context) -> None:
        """Note an answer."""
        is_accepted = context.served is not None or context.is_watching
        if self.when_answered and is_accepted and "errors" not in answer.body:
            await self.when_answered()


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL response (GraphQL spec, section 7.1)."""

    body: dict[str, Any]
    """`data`, `errors`, `extensions`; no `data` where nothing was executed."""

    is_refusal: bool = False
    """Whether the document was refused before execution."""


def refusal(error: GatewayError) -> Answer:
    """Return the response to an operation that is not executed."""
    return Answer({"errors": [error.formatted]}, is_refusal=True)


class Engine:
    """Executes the operations of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    async def execute(
        self, operation: Operation, context: Context, *, is_read_only: bool = False
    ) -> Answer:
        """Execute a query.

        Raises:
            OperationResolutionError: the document has not one operation that is meant.
            InvalidOperationTypeError: it is a mutation, and `is_read_only`.
        """
        try:
            result = await self._schema.execute(
                operation.query,
                dict(operation.variables) if operation.variables else None,
                context_value=context,
                operation_name=operation.operation_name,
                allowed_operation_types=_READING if is_read_only else None,
            )
        except CannotGetOperationTypeError as exc:
            raise unresolved(exc) from exc
        answer = _answer(result)
        await operation.answered(answer, context)
        return answer

    async def stream(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        """Execute any operation: a query has one answer, a subscription one for each change."""
        results = await self._schema.stream(
            operation.query,
            dict(operation.variables) if operation.variables else None,
            context_value=context,
            operation_name=operation.operation_name,
        )
        is_first = True
        async with aclosing(results):
            async for result in results:
                answer = _answer(result)
                if is_first:
                    await operation.answered(answer, context)
                is_first = False
                yield answer

    def is_subscription(self, operation: Operation) -> bool:
        """Return whether the operation is a valid subscription."""
        return self._schema.is_subscription(operation.query, operation.operation_name)

    def name_of(self, operation: Operation) -> str:
        """Return the operation's name in its document; "" where it has none."""
        return self._schema.documents.operation_name(operation.query, operation.operation_name)


def _answer(result: Any) -> Answer:
    errors: list[GraphQLError] = result.errors or []
    body: dict[str, Any] = {"data": result.data}
    if result.data is None and all(error.path is None for error in errors):
        del body["data"]
    if errors:
        body["errors"] = [error.formatted for error in errors]
    if isinstance(result, ExecutionResult) and result.extensions:
        body["extensions"] = result.extensions
    return Answer(body, is_refusal=isinstance(result, PreExecutionError))
