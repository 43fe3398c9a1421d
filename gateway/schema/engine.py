"""Execute GraphQL operations for every transport: HTTP, WebSocket and the command line."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from inspect import isawaitable
from typing import Any, TypeAlias

import graphql
import orjson
from strawberry.execution import optimized_is_awaitable

from gateway.errors import GatewayError, OperationResolutionError
from gateway.executor.internals import graphql_schema
from gateway.executor.projections import fragments_of
from gateway.executor.turns import EVENTS, Turns, next_turn
from gateway.live.shared_streams import SharedStreams
from gateway.schema.build import Schema
from gateway.schema.context import Access, Context, ignore
from gateway.schema.error_codes import MOST_REQUEST_ERRORS, give_code
from gateway.schema.guard.documents import Document
from gateway.schema.subscriptions import CHANGES
from gateway.sessions.snapshot import compact

_DIGEST_BLOCK, _BYTES_PER_STEP = 2**17, 200
_STEPS_PER_ANSWER, _BYTES_PER_SENT_STEP = 300, 70
"""The cost of sending an answer, in steps of `Turns`."""

_STEPS_PER_EVENT, _STEPS_PER_ERROR = 1_000, 50

Trace: TypeAlias = Callable[["Operation"], AbstractContextManager[Callable[["Answer"], object]]]
"""Traces an operation; the context's value takes its answers."""


@dataclass(frozen=True)
class Operation:
    """A request to execute one operation of a document (GraphQL spec, section 6.1)."""

    document: Document
    variables: dict[str, object] | None = None
    operation_name: str | None = None
    when_answered: Callable[[str], Awaitable[None]] | None = field(default=None, compare=False)
    """Called with the text after a first answer from SuperOffice's sessions without errors."""

    variables_bytes: int = 0
    """The size of the variables as JSON."""

    @cached_property
    def node(self) -> graphql.OperationDefinitionNode | None:
        """Its node in the document; None if it is missing or ambiguous."""
        return graphql.get_operation_ast(self.document.parsed, self.operation_name)

    @property
    def kind(self) -> str:
        """`query`, `mutation` or `subscription`; "" if it is missing or ambiguous."""
        return self.node.operation.value if self.node else ""

    @property
    def name(self) -> str:
        """Its name in the document; "" if it has none."""
        return self.node.name.value if self.node and self.node.name else ""

    @property
    def declared(self) -> set[str]:
        """The names of the variables that it declares."""
        definitions = self.node.variable_definitions if self.node else None
        return {definition.variable.name.value for definition in definitions or ()}

    @property
    def subscription(self) -> str | None:
        """The root field of a valid subscription; None for anything else."""
        if self.node is None or self.kind != "subscription" or self.document.errors:
            return None
        return _root_field(self.document.parsed, self.node)

    @property
    def errors(self) -> Sequence[graphql.GraphQLError]:
        """The errors for which it is not executed."""
        if self.node or self.document.failure:
            return self.document.errors
        refusal = OperationResolutionError(
            f"The document has no operation named {self.operation_name[:100]!r}."
            if self.operation_name
            else "The document has to have one operation, or `operationName` has to name one of "
            "several."
        )
        return [graphql.GraphQLError(str(refusal), extensions=refusal.extensions)]

    async def answered(self, answer: "Answer", context: Context) -> None:
        """Call `when_answered`, unless the answer has errors or is not SuperOffice's."""
        is_served = context.served is not None or context.is_watching
        if self.when_answered and is_served and "errors" not in answer.body:
            await self.when_answered(self.document.text)


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

    def __init__(self, schema: Schema, trace: Trace | None = None) -> None:
        self._schema = schema
        untraced = nullcontext(ignore)
        self._trace: Trace = trace or (lambda _: untraced)
        self._is_traced = trace is not None

    async def execute(self, operation: Operation, context: Context) -> Answer:
        """Execute a query."""
        with self._trace(operation) as traced:
            answer = await self._executed(operation, context)
            traced(answer)
        await operation.answered(answer, context)
        return answer

    async def _executed(self, operation: Operation, context: Context) -> Answer:
        if errors := operation.errors:
            return Answer({"errors": [error.formatted for error in errors]}, is_refusal=True)
        prepared = self._schema.prepared(operation.document, operation.operation_name)
        sent = operation.variables, operation.variables_bytes
        data = await prepared.execute(context, *sent) if prepared else None
        if data is not None:
            return Answer({"data": data})
        return await answer_of(await self.run(graphql.execute, operation, context))

    async def run(self, run: Callable[..., Any], operation: Operation, context: object) -> Any:
        """Return what graphql-core's `execute` or `subscribe` makes of a valid operation."""
        await next_turn()  # otherwise many equal queries would begin in one iteration
        try:
            made = run(
                graphql_schema(self._schema),
                operation.document.parsed,
                context_value=context,
                variable_values=operation.variables,
                operation_name=operation.operation_name,
                executor_class=self._schema.execution_context_class,
                is_awaitable=optimized_is_awaitable,
                hide_suggestions=not self._schema.options.suggestions,
            )
            return await made if isawaitable(made) else made
        except Exception as exc:  # noqa: BLE001  other operations of a batch have their answers
            error = graphql.GraphQLError(str(exc), original_error=exc)
            return graphql.ExecutionResult(None, [error])

    async def stream(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        """Execute any operation: a query has one answer, a subscription one for each change.

        Equal subscriptions of a caller are executed once. An answer that equals the one before is
        dropped, unless it is an event. Only a digest is stored: answers are large, and there are
        thousands of subscriptions.
        """
        if operation.subscription is None:
            await next_turn()  # a socket can send many at once
            yield await self.execute(operation, context)
            return
        is_first, digest, state = True, b"", 0
        has_events = operation.subscription == CHANGES
        async with aclosing(self._answers(operation, context)) as answers:
            async for answer in answers:
                if is_first:
                    await operation.answered(answer, context)
                # An older error is sent, too: it may be the last answer.
                is_later = answer.state >= state or "errors" in answer.body
                if is_first or has_events or (answer.digest != digest and is_later):
                    if not is_first:  # all readers of a stream get the answer at the same time
                        steps = len(answer.json) // _BYTES_PER_SENT_STEP
                        await EVENTS.spend(_STEPS_PER_ANSWER + steps)
                    is_first, digest, state = False, answer.digest, answer.state
                    yield answer
                del answer  # it is large, and thousands of subscriptions wait for the next one

    def _answers(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        each = partial(self._each, operation, context)
        # Events follow from those that a client has had before. A trace belongs to one request.
        is_alone = operation.subscription == CHANGES or self._is_traced
        if is_alone or not isinstance(context.access, Access):
            return each()
        streams: SharedStreams[Answer] = context.watchers_of(context.access.source).streams
        variables = compact(orjson.dumps(operation.variables or {}, option=orjson.OPT_SORT_KEYS))
        key = context.access.key, operation.document.text, operation.operation_name, variables
        return streams.read(key, each)

    async def _each(self, operation: Operation, context: Context) -> AsyncGenerator[Answer, None]:
        context.work_for_caller()  # `SharedStreams` may run this in another task
        with self._trace(operation) as traced:
            results = await self.run(graphql.subscribe, operation, context)
            if isinstance(results, graphql.ExecutionResult):
                answer = await answer_of(results, is_refusal=True)
                traced(answer)
                yield await _encoded(answer, context.state)
                return
            async with aclosing(results):
                async for result in results:
                    answer = await _encoded(await answer_of(result), context.state)
                    traced(answer)
                    context.result_steps = _STEPS_PER_EVENT + len(answer.json) // _BYTES_PER_STEP
                    yield answer
                    del result, answer


async def _encoded(answer: Answer, state: int) -> Answer:
    """Encode an answer for all clients, and add the digest that detects repeated answers."""
    json, digest, turns = orjson.dumps(answer.body), hashlib.blake2b(digest_size=16), Turns()
    for start in range(0, len(json), _DIGEST_BLOCK):
        digest.update(memoryview(json)[start : start + _DIGEST_BLOCK])
        await turns.spend(_DIGEST_BLOCK // _BYTES_PER_STEP)
    return replace(answer, json=json, digest=digest.digest(), state=state)


async def answer_of(result: graphql.ExecutionResult, *, is_refusal: bool = False) -> Answer:
    """Return the response with graphql-core's result, whose errors become JSON with codes."""
    errors: list[Any] = result.errors or []
    body, turns = dict[str, object](), Turns()
    if result.data is not None or any(error.path is not None for error in errors):
        body["data"] = result.data
    else:  # variables can have ten thousand errors: the first few are enough
        del errors[MOST_REQUEST_ERRORS:]
    for place, error in enumerate(errors):
        give_code(error, is_valid=True)
        errors[place] = error.formatted  # frees it: to free thousands at once takes long
        await turns.spend(_STEPS_PER_ERROR)
    if errors:
        body["errors"] = errors
    return Answer(body, is_refusal=is_refusal)


def _root_field(document: graphql.DocumentNode, operation: graphql.OperationDefinitionNode) -> str:
    """Return the name of a valid subscription's only root field."""
    fragments = fragments_of(document)
    nodes: list[Any] = [*operation.selection_set.selections]
    while not isinstance(node := nodes.pop(), graphql.FieldNode):  # a fragment can be empty
        inner = fragments[node.name.value] if isinstance(node, graphql.FragmentSpreadNode) else node
        nodes += inner.selection_set.selections
    return node.name.value
