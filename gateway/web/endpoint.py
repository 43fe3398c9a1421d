"""`/graphql` over HTTP: a request's journey is `Endpoint._answer`, one step a line.

Source of the rules: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from strawberry.schema.exceptions import InvalidOperationTypeError

from gateway.errors import (
    GatewayError,
    MethodNotAllowedError,
    NotAcceptableError,
    RequestTimeoutError,
    UpstreamUnavailableError,
)
from gateway.observe.metrics import CANCELLED
from gateway.observe.operations import BATCH
from gateway.schema.context import Access, Context
from gateway.schema.engine import Answer, Operation, refusal
from gateway.schema.error_codes import masked
from gateway.web.admission import Admission
from gateway.web.disconnect import WhileWanted
from gateway.web.graphql import GraphQL
from gateway.web.inbound import Inbound, check_tenant, inbound_of
from gateway.web.middleware.browsers import refuse_cross_site
from gateway.web.pages.query_page import QueryPage, wants_page
from gateway.web.read.accept import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, preferred
from gateway.web.read.request import Found, refuse_credentials_in_url
from gateway.web.respond.caching import cache_headers, mark_stale
from gateway.web.respond.errors import headers_and_status, refuse
from gateway.web.stream.answer_stream import AnswerStream
from gateway.web.stream.framing import EVENTS, PARTS

_METHODS = "GET, POST"
_JSONS = (JSON, GRAPHQL_JSON)
_STREAMS = (EVENT_STREAM, MULTIPART)
_NO_SUBSCRIPTION = (
    "A subscription is answered over a WebSocket, or as text/event-stream or "
    "multipart/mixed;subscriptionSpec=1.0: send one of these in Accept."
)
_NONE_IN_A_BATCH = f"A subscription cannot be in a batch: send it alone. {_NO_SUBSCRIPTION}"


class Endpoint:
    """Answers POST and GET, in one piece or as a stream.

    Args:
        graphql: reads, executes and records operations.
        admission: limits the requests in work.
        page: what a browser gets; None = no page.
        timeout_s: for an answer in one piece, or for a stream to begin.
        is_running: whether the application is not shutting down.
    """

    def __init__(
        self,
        graphql: GraphQL,
        admission: Admission,
        *,
        page: QueryPage | None,
        timeout_s: float,
        is_running: Callable[[], bool],
    ) -> None:
        self._graphql = graphql
        self._admission = admission
        self._page = page
        self._timeout_s = timeout_s
        self._is_running = is_running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever is refused on the way becomes a GraphQL error."""
        request, inbound = Request(scope, receive), inbound_of(scope)
        with ExitStack() as slot:
            try:
                slot.enter_context(self._admission.slot())
                with WhileWanted(inbound, self._timeout_s):
                    response = await self._answer(request, inbound)
            except ClientDisconnect:
                return
            except asyncio.CancelledError:
                if self._is_running():
                    raise
                message = "The gateway stops, and SuperOffice has not answered yet; retry."
                error: GatewayError = UpstreamUnavailableError(message, retry_after_s=1)
                response = _refused(request, inbound, error)
            except GatewayError as exc:
                response = _refused(request, inbound, exc)
            except TimeoutError:
                response = _refused(request, inbound, RequestTimeoutError(self._timeout_s))
            except Exception as exc:  # noqa: BLE001  the edge: anything else is a bug of ours
                response = _refused(request, inbound, masked(exc))

            async def send_part(message: Message) -> None:
                if message.get("more_body"):
                    slot.close()  # a stream may last for hours
                await send(message)

            await response(scope, receive, send_part)

    async def _answer(self, request: Request, inbound: Inbound) -> Response:
        """Take a request through all of its steps."""
        accept = request.headers.get("accept", "")
        media_type = _media_type(request, accept)
        if request.method not in {"GET", "POST"}:
            raise MethodNotAllowedError(f"GraphQL takes {_METHODS}.", allow=_METHODS)
        refuse_credentials_in_url(request)
        if self._page and wants_page(request):
            check_tenant(inbound.head, may_be_missing=True)
            return self._page.response(request)
        if request.method == "GET":
            refuse_cross_site(request, self._graphql.allowed_origins)
        check_tenant(inbound.head)
        context = self._graphql.context(inbound, request.headers.raw)
        context.work_for_caller()
        read = await self._graphql.reader.request(request)
        started = time.perf_counter()
        if isinstance(read, list):
            try:
                bodies = [await self._execute_in_turn(one, context, inbound) for one in read]
            finally:
                inbound.record.operation = BATCH
            return self._respond(bodies, BATCH, context, inbound, started, JSON)
        if isinstance(read, GatewayError):
            if read.http_status != 200 or not _takes_streams_alone(accept):
                raise read
            return self._stream(_only(refusal(read)), "", context, inbound, accept)
        name = self._begin(read, inbound)
        if self._is_streamed(read, accept):
            answers = self._graphql.engine.stream(read, context)
            return self._stream(answers, name, context, inbound, accept)
        answer = await self._execute(read, context, is_get=request.method == "GET")
        return self._respond(answer.body, name, context, inbound, started, media_type)

    def _is_streamed(self, operation: Operation, accept: str) -> bool:
        if not self._graphql.engine.is_subscription(operation):
            return _takes_streams_alone(accept)
        if preferred(accept, _STREAMS) is None:
            raise NotAcceptableError(_NO_SUBSCRIPTION)
        return True

    def _begin(self, operation: Operation, inbound: Inbound) -> str:
        """Record what is executed; return the operation's name."""
        name = self._graphql.engine.name_of(operation)
        inbound.record.operation = self._graphql.names.told(name)
        inbound.record.outcome = CANCELLED  # unless it is answered
        inbound.record.deprecated += self._graphql.engine.deprecated_in(operation)
        return name

    async def _execute_in_turn(
        self, operation: Found, context: Context, inbound: Inbound
    ) -> dict[str, Any]:
        """Execute an operation of a batch, after other requests had their turn."""
        await asyncio.sleep(0)
        if isinstance(operation, GatewayError):
            return refusal(operation).body
        self._begin(operation, inbound)
        try:
            if self._graphql.engine.is_subscription(operation):
                raise NotAcceptableError(_NONE_IN_A_BATCH)
            return (await self._execute(operation, context)).body
        except GatewayError as exc:
            return refusal(exc).body

    async def _execute(
        self, operation: Operation, context: Context, *, is_get: bool = False
    ) -> Answer:
        try:
            return await self._graphql.engine.execute(operation, context, is_read_only=is_get)
        except InvalidOperationTypeError as exc:
            message = "Only queries are answered over GET."
            raise MethodNotAllowedError(message, allow="POST") from exc

    def _respond(
        self,
        body: dict[str, Any] | list[dict[str, Any]],
        name: str,
        context: Context,
        inbound: Inbound,
        started: float,
        media_type: str,
    ) -> Response:
        """Make the HTTP answer; with graphql-response+json, its status is that of the answer."""
        answers = body if isinstance(body, list) else [body]
        served, has_errors = context.served, any("errors" in answer for answer in answers)
        headers, status = dict[str, str](), 200
        if media_type == GRAPHQL_JSON:
            headers, status = headers_and_status(answers[0])
        headers |= cache_headers(
            served, has_errors=has_errors, execute_s=time.perf_counter() - started
        )
        mark_stale(answers, served)
        self._graphql.record(inbound.record, name, context, answers)
        if isinstance(body, list):
            inbound.record.operation = BATCH
        if served is not None and not has_errors and not served.is_stale:
            inbound.snapshot = served.snapshot
        return Response(orjson.dumps(body), status, headers, media_type)

    def _stream(
        self,
        answers: AsyncGenerator[Answer, None],
        name: str,
        context: Context,
        inbound: Inbound,
        accept: str,
    ) -> Response:
        """Make the answer that is a stream, if one more can be open."""
        record, started = inbound.record, time.perf_counter()

        def note(answer: Answer) -> None:
            if answer.is_from_superoffice(context):
                place.accept()
            mark_stale([answer.body], context.served)
            record.first_answer_s = record.first_answer_s or time.perf_counter() - started
            self._graphql.record(record, name, context, [answer.body])

        with ExitStack() as slots:
            place = slots.enter_context(self._graphql.sockets.count(inbound.stop_stream))
            if isinstance(context.access, Access):
                slots.enter_context(self._graphql.sockets.count_for(context.access.owner))
            framing = PARTS if preferred(accept, _STREAMS) == MULTIPART else EVENTS
            return AnswerStream(answers, framing, note=note, inbound=inbound, slots=slots.pop_all())


async def _only(answer: Answer) -> AsyncGenerator[Answer, None]:
    yield answer


def _takes_streams_alone(accept: str) -> bool:
    return preferred(accept, _JSONS) is None and preferred(accept, _STREAMS) is not None


def _media_type(request: Request, accept: str) -> str:
    """Return the type of an answer in one piece; a client that accepts only streams may get one."""
    if _takes_streams_alone(accept):
        return GRAPHQL_JSON
    media_type = preferred(accept, _JSONS)
    if media_type is None and not wants_page(request):
        raise NotAcceptableError(f"The answer comes as {JSON} or {GRAPHQL_JSON}.")
    return media_type or JSON


def _refused(request: Request, inbound: Inbound, error: GatewayError) -> Response:
    try:
        media_type = _media_type(request, request.headers.get("accept", ""))
    except NotAcceptableError:
        media_type = JSON
    return refuse(inbound, error, media_type)
