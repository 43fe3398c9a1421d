"""`/graphql` over HTTP: a request's journey is `Endpoint._answer`, one step a line.

Source of the rules: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import InvalidOperationTypeError

from gateway.errors import (
    GatewayError,
    MethodNotAllowedError,
    NotAcceptableError,
    RequestTimeoutError,
    UpstreamUnavailableError,
)
from gateway.observe.metrics import CANCELLED
from gateway.observe.operations import ANONYMOUS, BATCH
from gateway.schema.context import Access, Context
from gateway.schema.engine import Answer, Operation, refusal
from gateway.schema.error_codes import masked
from gateway.web.admission import Admission
from gateway.web.disconnect import while_connected
from gateway.web.graphql import GraphQL
from gateway.web.inbound import Inbound, check_tenant, inbound_of
from gateway.web.middleware.browsers import refuse_cross_site
from gateway.web.pages.query_page import QueryPage, wants_page
from gateway.web.read.accept import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, preferred
from gateway.web.read.request import refuse_credentials_in_url
from gateway.web.respond.caching import cache_headers, mark_stale
from gateway.web.respond.errors import error_response
from gateway.web.respond.status import headers_and_status
from gateway.web.stream.answer_stream import AnswerStream
from gateway.web.stream.framing import EVENTS, PARTS

_METHODS = "GET, POST"
_JSONS = (JSON, GRAPHQL_JSON)
_STREAMS = (EVENT_STREAM, MULTIPART)
_NO_SUBSCRIPTION = (
    "A subscription is answered over a WebSocket, or as text/event-stream or "
    "multipart/mixed;subscriptionSpec=1.0: send one of these in Accept."
)


class Endpoint:
    """Answers POST and GET, in one piece or as a stream of events.

    Args:
        graphql: reads, executes and records operations.
        admission: limits the requests in work.
        page: what a browser gets; None = no page.
        timeout_s: for a whole request, up to the first part of its answer.
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
        with ExitStack() as place:
            try:
                place.enter_context(self._admission.place())
                with while_connected(inbound):
                    async with asyncio.timeout(self._timeout_s):
                        response = await self._answer(request, inbound)
            except ClientDisconnect:
                return
            except asyncio.CancelledError:
                if self._is_running():
                    raise
                message = "The gateway stops, and SuperOffice has not answered yet; try again."
                error: GatewayError = UpstreamUnavailableError(message, retry_after_s=1)
                response = _refused(request, inbound, error)
            except GatewayError as exc:
                response = _refused(request, inbound, exc)
            except TimeoutError:
                response = _refused(request, inbound, RequestTimeoutError(self._timeout_s))
            except Exception as exc:  # noqa: BLE001  the edge: anything else is a bug of ours
                response = _refused(request, inbound, masked(exc))
            if isinstance(response, AnswerStream):
                response.when_begun(place.pop_all().close)
            await response(scope, receive, send)

    async def _answer(self, request: Request, inbound: Inbound) -> Response:
        """Take a request through all of its steps."""
        media_type = _media_type(request)
        if request.method not in {"GET", "POST"}:
            raise MethodNotAllowedError(f"GraphQL takes {_METHODS}.", allow=_METHODS)
        refuse_credentials_in_url(request)
        if self._page and wants_page(request):
            check_tenant(inbound.asked, may_be_missing=True)
            return self._page.response(request)
        if request.method == "GET":
            refuse_cross_site(request.headers, self._graphql.allowed_origins)
        check_tenant(inbound.asked)
        read = await self._graphql.reader.request(request)
        context = self._graphql.context(inbound, request.headers.raw)
        if self._is_streamed(read, request):
            assert isinstance(read, Operation)  # noqa: S101  a batch is never streamed
            return self._stream(read, context, inbound, request.headers.get("accept", ""))
        started = time.perf_counter()
        if isinstance(read, list):
            try:
                answers = [await self._execute_in_turn(one, context, inbound) for one in read]
            finally:
                inbound.record.operation = BATCH
            return self._respond([a.body for a in answers], context, inbound, started, JSON)
        answer = await self._execute(read, context, inbound, is_get=request.method == "GET")
        return self._respond(answer.body, context, inbound, started, media_type)

    def _is_streamed(
        self, read: Operation | list[Operation | GatewayError], request: Request
    ) -> bool:
        """Return whether the answer is a stream.

        It is for a subscription, and for a client that accepts nothing else: some list the types of
        streams with every query.
        """
        is_subscription = self._graphql.engine.is_subscription
        accept = request.headers.get("accept", "")
        if isinstance(read, list):
            if any(isinstance(one, Operation) and is_subscription(one) for one in read):
                raise NotAcceptableError(_NO_SUBSCRIPTION)
            return False
        if not is_subscription(read):
            return preferred(accept, _JSONS) is None
        if preferred(accept, _STREAMS) is None:
            raise NotAcceptableError(_NO_SUBSCRIPTION)
        return True

    async def _execute_in_turn(
        self, operation: Operation | GatewayError, context: Context, inbound: Inbound
    ) -> Answer:
        """Execute an operation of a batch, after other requests had their turn."""
        await asyncio.sleep(0)
        if isinstance(operation, GatewayError):
            return refusal(operation)
        try:
            return await self._execute(operation, context, inbound)
        except GatewayError as exc:
            return refusal(exc)

    async def _execute(
        self, operation: Operation, context: Context, inbound: Inbound, *, is_get: bool = False
    ) -> Answer:
        engine, record = self._graphql.engine, inbound.record
        record.outcome = CANCELLED  # unless it is answered
        try:
            return await engine.execute(operation, context, is_read_only=is_get)
        except InvalidOperationTypeError as exc:
            message = "Only queries are answered over GET."
            raise MethodNotAllowedError(message, allow="POST") from exc
        finally:
            name = engine.name_of(operation)
            record.operation = self._graphql.names.told(name)
            inbound.operation_name = name

    def _respond(
        self,
        body: dict[str, Any] | list[dict[str, Any]],
        context: Context,
        inbound: Inbound,
        started: float,
        media_type: str,
    ) -> Response:
        """Make the HTTP answer; with graphql-response+json its status tells the truth."""
        answers = body if isinstance(body, list) else [body]
        served, has_errors = context.served, any("errors" in answer for answer in answers)
        headers, status = dict[str, str](), 200
        if media_type == GRAPHQL_JSON:
            headers, status = headers_and_status(answers[0])
        headers |= cache_headers(
            served, has_errors=has_errors, execute_s=time.perf_counter() - started
        )
        mark_stale(answers, served)
        self._graphql.record(inbound.record, inbound.operation_name, context, answers)
        if isinstance(body, list):
            inbound.record.operation = BATCH
        if served is not None and not has_errors and not served.is_stale:
            inbound.snapshot = served.snapshot
        return Response(orjson.dumps(body), status, headers, media_type)

    def _stream(
        self, operation: Operation, context: Context, inbound: Inbound, accept: str
    ) -> Response:
        """Make the answer that is a stream, if one more can be open."""
        engine, record, started = self._graphql.engine, inbound.record, time.perf_counter()
        record.outcome = CANCELLED  # unless it is answered
        name = engine.name_of(operation)
        record.operation = self._graphql.names.told(name)

        def sent(answer: Answer) -> None:
            answers: Sequence[dict[str, Any]] = [answer.body]
            mark_stale(answers, context.served)
            record.first_answer_s = record.first_answer_s or time.perf_counter() - started
            self._graphql.record(record, name, context, answers)

        with ExitStack() as held:
            held.enter_context(self._graphql.sockets.one())
            if isinstance(context.access, Access):
                held.enter_context(self._graphql.sockets.one_of(context.access.key))
            answers = engine.stream(operation, context)
            framing = PARTS if preferred(accept, _STREAMS) == MULTIPART else EVENTS
            return AnswerStream(answers, framing, sent=sent, inbound=inbound, held=held.pop_all())


def _media_type(request: Request) -> str:
    """Return the type of an answer in one piece; a client that accepts only streams may get one."""
    accept = request.headers.get("accept", "")
    media_type = preferred(accept, _JSONS)
    if media_type is None and preferred(accept, _STREAMS):
        return GRAPHQL_JSON
    if media_type is None and not wants_page(request):
        raise NotAcceptableError(f"The answer comes as {JSON} or {GRAPHQL_JSON}.")
    return media_type or JSON


def _refused(request: Request, inbound: Inbound, error: GatewayError) -> Response:
    record = inbound.record
    record.operation, record.outcome = record.operation or ANONYMOUS, error.code
    try:
        media_type = _media_type(request)
    except NotAcceptableError:
        media_type = JSON
    return error_response(error, media_type)
