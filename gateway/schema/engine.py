"""Execute GraphQL operations for every transport: HTTP, WebSocket and the command line."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from gateway.errors import GatewayError
from gateway.executor.turns import EVENTS, Turns, next_turn
from gateway.live.shared_streams import SharedStreams
from gateway.schema.build import Schema
from gateway.schema.context import Access, Context
from gateway.schema.error_codes import unresolved
from gateway.schema.guard.documents import Document
from gateway.schema.subscriptions import CHANGES
from gateway.sessions.snapshot import compact

_DIGEST_BLOCK, _BYTES_PER_STEP = 2**17, 200
_STEPS_PER_ANSWER, _BYTES_PER_SENT_STEP = 300, 70
"""The cost of sending an answer, in steps of `Turns`."""

_READING = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to execute one operation of a document (GraphQL spec, section 6.1)."""

    document: Document
    variables: dict[str, object] | None = None
    operation_name: str | None = None
    when_answered: Callable[[], Awaitable[None]] | None = field(default=None, compare=False)
    """Called if the first answer is made from SuperOffice's sessions and has no errors."""

    @property
    def name(self) -> str:
        """Its name in the document; "" if it has none."""
        return self.document.operation_name(self.operation_name)

    @property
    def subscription(self) -> str | None:
        """The root field of a valid subscription; None for anything else."""
        return self.document.subscription(self.operation_name)

    async def answered(self, answer: "Answer", context: Context) -> None:
        """Call `when_answered`, unless the answer has errors or is not SuperOffice's."""
        is_served = context.served is not None or context.is_watching
        if self.when_answered and is_served and "errors" not in answer.body:
            await self.when_answered()


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL response (GraphQL spec, section 7.1)."""

    body: dict[str, object]
    """`data`, `errors`, `extensions`; no `data` if nothing was executed."""

    is_refusal: bool = False
    """Whether the document was refused before execution."""

    json: bytes = b""
    """The body as JSON, if it may be sent to several clients."""

    digest: bytes = b""
    """The digest of the JSON."""

    state: int = 0
    """The number of the state from which it was made."""

    @property
    def content(self) -> object:
        """Return the body for orjson: the JSON, if it is encoded already."""
        return orjson.Fragment(self.json) if self.json else self.body


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
            InvalidOperationTypeError: it is a mutation, and `is_read_only`.
        """
        prepared = None
        if not operation.document.errors:
            prepared = self._schema.prepared(operation.document, operation.operation_name)
        data = await prepared.execute(context, operation.variables) if prepared else None
        answer = Answer({"data": data})
        if data is None:
            answer = await self._execute(operation, context, is_read_only=is_read_only)
        await operation.answered(answer, context)
        return answer

    async def _execute(
        self, operation: Operation, context: Context, *, is_read_only: bool
    ) -> Answer:
        await next_turn()  # otherwise many equal queries would begin in one iteration
        context.document = operation.document
        try:
            result = await self._schema.execute(
                operation.document.text,
                operation.variables,
                context_value=context,
                operation_name=operation.operation_name,
                allowed_operation_types=_READING if is_read_only else None,
            )
        except CannotGetOperationTypeError as exc:
            return refusal(unresolved(exc))
        return _answer(result)

    async def stream(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        """Execute any operation: a query has one answer, a subscription one for each change.

        Equal subscriptions of a caller are executed once. An answer that equals the one before is
        dropped, unless it is an event. Only a digest is stored: answers are large, and there are
        thousands of subscriptions.
        """
        is_first, digest, state = True, b"", 0
        async with aclosing(self._answers(operation, context)) as answers:
            async for answer in answers:
                if is_first:
                    await operation.answered(answer, context)
                # An older error is sent, too: it may be the last answer.
                is_later = answer.state >= state or "errors" in answer.body
                if is_first or not digest or (answer.digest != digest and is_later):
                    if not is_first:  # all readers of a stream get the answer at the same time
                        steps = len(answer.json) // _BYTES_PER_SENT_STEP
                        await EVENTS.spend(_STEPS_PER_ANSWER + steps)
                    is_first, digest, state = False, answer.digest, answer.state
                    yield answer
                del answer  # it is large, and thousands of subscriptions wait for the next one

    def _answers(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        if operation.subscription in {None, CHANGES}:
            return self._each(operation, context)
        distinct = partial(self._distinct, operation, context)
        if self._schema.options.extensions or not isinstance(context.access, Access):
            return distinct()  # a trace belongs to one request
        streams: SharedStreams[Answer] = context.watchers_of(context.access.source).streams
        declared = operation.document.variables(operation.operation_name)
        used = {
            name: value for name, value in (operation.variables or {}).items() if name in declared
        }
        variables = compact(orjson.dumps(used, option=orjson.OPT_SORT_KEYS))
        key = context.access.key, operation.document.text, operation.operation_name, variables
        return streams.read(key, distinct)

    async def _distinct(
        self, operation: Operation, context: Context
    ) -> AsyncGenerator[Answer, None]:
        context.work_for_caller()  # `SharedStreams` may run this in another task
        async with aclosing(self._each(operation, context)) as answers:
            async for answer in answers:
                yield await _encoded(answer, context.state)
                del answer

    async def _each(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        await next_turn()
        context.document = operation.document
        results = await self._schema.stream(
            operation.document.text,
            operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
        )
        async with aclosing(results):
            async for result in results:
                yield _answer(result)
                del result


async def _encoded(answer: Answer, state: int) -> Answer:
    """Encode an answer for all clients, and add the digest that detects repeated answers."""
    json, digest, turns = orjson.dumps(answer.body), hashlib.blake2b(digest_size=16), Turns()
    for start in range(0, len(json), _DIGEST_BLOCK):
        digest.update(memoryview(json)[start : start + _DIGEST_BLOCK])
        await turns.spend(_DIGEST_BLOCK // _BYTES_PER_STEP)
    return replace(answer, json=json, digest=digest.digest(), state=state)


def _answer(result: Any) -> Answer:  # a member of Strawberry's union of results
    errors = result.errors or []
    body: dict[str, object] = {}
    if result.data is not None or any(error.path is not None for error in errors):
        body["data"] = result.data
    if errors:
        body["errors"] = [error.formatted for error in errors]
    return Answer(body, is_refusal=isinstance(result, PreExecutionError))
