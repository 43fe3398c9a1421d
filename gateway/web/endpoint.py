"""`/graphql` over HTTP: a request's journey is `_Exchange.answer`, one step a line.

Source of the rules: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway.errors import (
    GatewayError,
    MethodNotAllowedError,
    NotAcceptableError,
    RequestTimeoutError,
    UpstreamUnavailableError,
)
from gateway.observe.metrics import CANCELLED
from gateway.observe.operations import BATCH
from gateway.schema.context import Access, ignore
from gateway.schema.engine import Answer, Operation, refusal
from gateway.schema.error_codes import masked
from gateway.web.admission import Admission, Admitted
from gateway.web.answer_stream import EventStream, MultipartStream
from gateway.web.disconnect import WhileWanted
from gateway.web.graphql import GraphQL
from gateway.web.inbound import check_tenant, inbound_of
from gateway.web.pages.query_page import QueryPage, wants_page
from gateway.web.read.accept import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, preferred
from gateway.web.read.cross_site import refuse_cross_site
from gateway.web.read.request import OperationOrError, refuse_credentials_in_url
from gateway.web.respond.caching import cache_headers
from gateway.web.respond.errors import headers_and_status, refuse

_METHODS = "GET, POST"
_JSONS = (JSON, GRAPHQL_JSON)
_STREAMS = (EVENT_STREAM, MULTIPART)
_NO_SUBSCRIPTION = (
    "A subscription is answered over a WebSocket, or as text/event-stream or "
    "multipart/mixed;subscriptionSpec=1.0: send one of these in Accept."
)
_NONE_IN_A_BATCH = f"A subscription cannot be in a batch: send it alone. {_NO_SUBSCRIPTION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Answers POST and GET, in one piece or as a stream."""

    graphql: GraphQL
    admission: Admission
    page: QueryPage | None
    """The page for browsers, if there is one."""

    timeout_s: float
    """Seconds until an answer in one piece is made, or a stream begins."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a refusal at any step becomes a GraphQL error."""
        exchange = _Exchange(Request(scope, receive), self.graphql, self.page)
        shares, has_login = self.admission.shares_of(exchange.inbound), bool(exchange.inbound.owner)
        with ExitStack() as held:
            try:
                self.admission.check(shares)
                with WhileWanted(exchange.inbound, self.timeout_s) as cancel:
                    response = await exchange.answer(
                        lambda: held.enter_context(
                            self.admission.admit(shares, cancel, has_login=has_login)
                        )
                    )
            except ClientDisconnect:
                return
            except asyncio.CancelledError:
                if scope["app"].state.is_ready:
                    raise
                message = "The gateway is stopping, and SuperOffice has not answered yet; retry."
                response = exchange.refused(UpstreamUnavailableError(message, retry_after_s=1))
            except TimeoutError:
                message = f"The request took longer than {self.timeout_s:g} seconds."
                response = exchange.refused(RequestTimeoutError(message))
            except Exception as exc:  # noqa: BLE001  the last handler: a refusal, or our bug
                response = exchange.refused(masked(exc))

            async def send_part(message: Message) -> None:
                if message.get("more_body"):
                    held.close()  # a stream may last for hours
                await send(message)

            await response(scope, receive, send_part)


class _Exchange:
    """Makes the answer to one HTTP request."""

    def __init__(self, request: Request, graphql: GraphQL, page: QueryPage | None) -> None:
        self._request, self._graphql, self._page = request, graphql, page
        self.inbound = inbound_of(request.scope)
        self._record = self.inbound.record
        accept = request.headers.get("accept", "")
        json, self._stream_type = preferred(accept, _JSONS), preferred(accept, _STREAMS)
        self._accepts_none = json is None and self._stream_type is None
        self._accepts_only_streams = json is None and self._stream_type is not None
        # An answer in one piece has one of these even if only streams are accepted.
        self._media_type = GRAPHQL_JSON if self._accepts_only_streams else json or JSON

    async def answer(self, admit: Callable[[], Admitted]) -> Response:
        """Take the request through all of its steps; `admit` counts it from then on."""
        request, graphql = self._request, self._graphql
        if self._accepts_none and not wants_page(request):
            raise NotAcceptableError(f"Accept has to allow {JSON} or {GRAPHQL_JSON}.")
        if request.method not in {"GET", "POST"}:
            raise MethodNotAllowedError("Only GET and POST are allowed.", allow=_METHODS)
        refuse_credentials_in_url(request)
        if self._page and wants_page(request):
            check_tenant(self.inbound.head, may_be_missing=True)
            return self._page.response(request)
        if request.method == "GET":
            refuse_cross_site(request, graphql.allowed_origins)
        check_tenant(self.inbound.head)
        self._context = graphql.context(self.inbound)
        self._context.work_for_caller()
        read = await graphql.reader.request(request)
        admitted = admit()  # not before: a body may take ten seconds to come
        self._context.set_progress = admitted.set_progress
        try:
            return await self._answer(read)
        finally:
            self._context.set_progress = ignore
            # It is answered, or a stream, which is counted as a socket.
            admitted.set_progress("accepted")

    async def _answer(self, read: OperationOrError | list[OperationOrError]) -> Response:
        """Execute what was read."""
        started = time.perf_counter()
        if isinstance(read, list):
            try:
                bodies = [await self._execute_item(item) for item in read]
                return self._respond(bodies, BATCH, started, JSON)
            finally:
                self._record.operation = BATCH
        if isinstance(read, GatewayError):
            if read.http_status == 200 and self._accepts_only_streams:  # an unknown hash
                return self._stream(_only(refusal(read)))
            raise read
        self._begin(read)
        if self._is_streamed(read):
            return self._stream(self._graphql.engine.stream(read, self._context), read)
        answer = await self._execute(read)
        return self._respond(answer.body, read.name, started, self._media_type)

    def refused(self, error: GatewayError) -> Response:
        """Return the answer to a refused request."""
        return refuse(self.inbound, error, self._media_type)

    def _is_streamed(self, operation: Operation) -> bool:
        if operation.subscription is None:
            return self._accepts_only_streams
        if self._stream_type is None:
            raise NotAcceptableError(_NO_SUBSCRIPTION)
        return True

    def _begin(self, operation: Operation) -> None:
        """Record that an operation begins."""
        self._record.operation = self._graphql.names.label(operation.name)
        self._record.outcome = CANCELLED  # until it is answered
        self._record.deprecated += operation.document.deprecated

    async def _execute_item(self, operation: OperationOrError) -> dict[str, Any]:
        """Yield to other requests, then execute an operation of a batch."""
        await asyncio.sleep(0)
        if isinstance(operation, GatewayError):
            return refusal(operation).body
        self._begin(operation)
        try:
            if operation.subscription is not None:
                raise NotAcceptableError(_NONE_IN_A_BATCH)
            return (await self._execute(operation)).body
        except GatewayError as exc:
            return refusal(exc).body

    async def _execute(self, operation: Operation) -> Answer:
        if self._request.method == "GET" and operation.kind == "mutation":
            raise MethodNotAllowedError("Only queries are answered over GET.", allow="POST")
        return await self._graphql.engine.execute(operation, self._context)

    def _respond(
        self,
        body: dict[str, Any] | list[dict[str, Any]],
        name: str,
        started: float,
        media_type: str,
    ) -> Response:
        """Make the HTTP answer; with graphql-response+json, its status shows errors."""
        answers = body if isinstance(body, list) else [body]
        served, has_errors = self._context.served, any("errors" in answer for answer in answers)
        headers, status = dict[str, str](), 200
        if media_type == GRAPHQL_JSON:
            headers, status = headers_and_status(answers[0])
        headers |= cache_headers(
            served, has_errors=has_errors, execute_s=time.perf_counter() - started
        )
        self._graphql.complete(self._record, name, self._context, answers)
        if served is not None and served.windows.ttl_s and not (has_errors or served.is_stale):
            self.inbound.snapshot = served.snapshot
        return Response(orjson.dumps(body), status, headers, media_type)

    def _stream(
        self, answers: AsyncGenerator[Answer, None], operation: Operation | None = None
    ) -> Response:
        """Make an answer that is a stream, within the limits on open streams."""
        name = operation.name if operation else ""
        record, context, started = self._record, self._context, time.perf_counter()
        sockets, inbound = self._graphql.sockets, self.inbound

        def note(answer: Answer) -> None:
            self._graphql.complete(record, name, context, [answer.body])
            if record.is_answered:
                place.accept()
            record.first_answer_s = record.first_answer_s or time.perf_counter() - started

        with ExitStack() as slots:
            place = slots.enter_context(sockets.count(inbound.end_stream, inbound.network))
            if isinstance(context.access, Access):
                place.has_login = True
                slots.enter_context(sockets.count_for(context.access.owner))
                if operation:
                    slots.enter_context(sockets.count_operation(context.access.owner, operation))
            stream = MultipartStream if self._stream_type == MULTIPART else EventStream
            return stream(answers, note=note, inbound=inbound, slots=slots.pop_all())


async def _only(answer: Answer) -> AsyncGenerator[Answer, None]:
    yield answer
