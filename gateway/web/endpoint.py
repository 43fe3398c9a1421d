"""`/graphql`: Strawberry's ASGI view with our requests, our context and our answers.

Source of the rules: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.execution import PreExecutionError

from gateway.caller import CallerPolicy
from gateway.errors import (
    BadRequestError,
    GatewayError,
    MethodNotAllowedError,
    NotAcceptableError,
    OperationResolutionError,
    RequestTimeoutError,
    TenantMissingError,
    UpstreamUnavailableError,
)
from gateway.live.watcher import Watchers
from gateway.observe.metrics import CANCELLED, OK
from gateway.observe.operations import ANONYMOUS, BATCH, OperationNames
from gateway.schema.build import Schema
from gateway.schema.context import Context
from gateway.schema.error_codes import masked, unresolved
from gateway.sessions.source import Source
from gateway.settings.tenant_names import canonical_tenant
from gateway.tenants.path import FindSource
from gateway.web.access_record import Account, account_of, digest_shown
from gateway.web.disconnect import while_there
from gateway.web.middleware.browsers import refuse_cross_site
from gateway.web.middleware.request_log import RequestBook
from gateway.web.open_sockets import OpenSockets
from gateway.web.pages.query_page import query_page, wants_page
from gateway.web.read.accept import GRAPHQL_JSON, JSON, preferred
from gateway.web.read.request import RefusedOperation, RequestReader, refuse_credentials_in_url
from gateway.web.read.trace_context import trace_of
from gateway.web.respond.caching import VARY, cache_headers, mark_stale, max_age_asked_for
from gateway.web.respond.status import headers_and_status
from gateway.web.response_cache import answered_from
from gateway.web.stream.event_stream import EVENT_STREAM, Events, EventStream
from gateway.web.websocket.handler import SocketHandler, TextSocket

__all__ = ["GraphQLView", "ViewOptions"]

_METHODS = "GET, POST"
_CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
_JSONS = (JSON, GRAPHQL_JSON)
_STREAMED = "gateway.streamed"
_NO_SUBSCRIPTION = (
    "A subscription is answered over a WebSocket, or as text/event-stream: send that in Accept."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """What differs between the views of two gateways."""

    has_query_page: bool = True
    demo_users: tuple[tuple[str, str], ...] = ()
    """Names, and the Authorization of each, that the page offers to everybody."""

    allowed_origins: frozenset[str] = frozenset()
    """Other sites whose pages may talk to this one."""

    heeds_cache_control: bool = True
    """Whether a request's Cache-Control can ask for a fresh snapshot."""

    timeout_s: float = 30


class _Reply(Response):
    """Carries, until the answer is there, what it depends on."""

    def __init__(self, scope: Scope, media_type: str) -> None:
        super().__init__(media_type=media_type)
        self.scope = scope
        self.context: Context | None = None
        self.operation_name = ""
        self.started = time.perf_counter()


class _Adapter(StarletteRequestAdapter):
    """What Strawberry knows a request by; it also keeps the request itself."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.request = request


class GraphQLView(GraphQL[Context, None]):
    """Answers over POST, GET, server-sent events and graphql-transport-ws."""

    request_adapter_class = _Adapter
    websocket_adapter_class = TextSocket
    graphql_transport_ws_handler_class = SocketHandler
    stream_transport_classes_by_protocol: Mapping[str, type[Events]] = {
        GRAPHQL_SSE_PROTOCOL: Events
    }

    def __init__(
        self,
        *,
        schema: Schema,
        find_source: FindSource,
        policy: CallerPolicy,
        watchers_of: Callable[[Source], Watchers],
        sockets: OpenSockets,
        reader: RequestReader,
        names: OperationNames,
        book: RequestBook,
        options: ViewOptions,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if options.has_query_page else None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=_CONNECTION_INIT_TIMEOUT,
            max_subscriptions_per_connection=None,  # the handler has its own limit, with a code
            allowed_origins=sorted(options.allowed_origins),
        )
        self.find_source = find_source
        self.policy = policy
        self.watchers_of = watchers_of
        self.sockets = sockets
        self.is_subscription = schema.is_subscription
        self.reader = reader
        self.names = names
        self.book = book
        self.documents = schema.documents
        self.options = options
        self.searched = schema.searched
        self.links = schema.links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever is refused on the way becomes a GraphQL error."""
        if scope["type"] == "websocket":
            await self._connect(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            with while_there(scope):
                async with asyncio.timeout(self.options.timeout_s):
                    response: Response = await self.run(request)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if scope["app"].state.is_ready:
                raise
            message = "The gateway stops, and REST has not answered yet; try again."
            response = self._refused(request, UpstreamUnavailableError(message, retry_after_s=1))
        except (GatewayError, HTTPException) as exc:
            response = self._refused(request, _explained(exc))
        except TimeoutError:
            response = self._refused(request, RequestTimeoutError(self.options.timeout_s))
        except Exception as exc:  # noqa: BLE001  the edge: whatever else it is, it is our fault
            response = self._refused(request, masked(exc))
        await response(scope, receive, send)

    async def _connect(self, socket: WebSocket) -> None:
        with ExitStack() as stack:
            try:
                refuse_credentials_in_url(socket)
                self._check_named_tenant(socket)
                stack.enter_context(self.sockets.one())
            except GatewayError as exc:
                await socket.send_denial_response(self._refused(socket, exc))
            else:
                await self.run(socket)

    def _check_named_tenant(self, request: HTTPConnection) -> None:
        """Refuse a tenant that is none; one that is not named may be yet, by what follows."""
        with contextlib.suppress(TenantMissingError):
            self.find_source(request.scope["path"], request.headers.raw)

    async def get_sub_response(self, request: Request | WebSocket) -> _Reply:
        """Settle the media type of the answer before anything else."""
        return _Reply(request.scope, _media_type(request))

    async def get_context(self, request: Request | WebSocket, response: Any) -> Context:
        """Make the context that resolvers work with."""
        headers = request.headers.raw
        # Browsers send no-cache with every handshake, and it would hold as long as the socket.
        is_heeded = self.options.heeds_cache_control and not isinstance(request, WebSocket)
        context = Context(
            source_for=partial(self.find_source, request.scope["path"]),
            policy=self.policy,
            watchers_of=self.watchers_of,
            headers=headers,
            searched=self.searched,
            links=self.links,
            trace=trace_of(headers),
            max_age_s=max_age_asked_for(headers) if is_heeded else None,
        )
        if isinstance(response, _Reply):
            response.context = context
        return context

    def is_request_allowed(self, request: Any) -> bool:
        """Let GET and POST through, unless their URL, sender or tenant gives rise to doubt."""
        if request.method not in {"GET", "POST"}:
            raise MethodNotAllowedError(f"GraphQL takes {_METHODS}.", allow=_METHODS)
        refuse_credentials_in_url(request.request)
        if request.method == "GET":
            if self.should_render_graphql_ide(request):
                return True
            refuse_cross_site(request.request.headers, self.options.allowed_origins)
        self.find_source(request.request.scope["path"], request.request.headers.raw)
        return True

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Tell a person with a browser, who asks for a page and brings no query."""
        return self.options.has_query_page and wants_page(request.request)

    async def render_graphql_ide(self, request: Request) -> Response:
        """Show people the query page."""
        self._check_named_tenant(request)
        tenant = canonical_tenant(request.path_params.get("tenant", ""))
        return query_page(self.options.demo_users, tenant)

    async def parse_http_body(self, request: Any) -> GraphQLRequestData | list[GraphQLRequestData]:
        """Read what the request asks for, and settle whether the answer is a stream.

        It is for a subscription, and for whoever takes nothing else: some clients list the type of
        event streams with every query.
        """
        data = await self.reader.read(request.request)
        if isinstance(data, RefusedOperation):
            return data
        accept = request.headers.get("accept", "")
        if isinstance(data, list):
            if any(self._is_subscription(operation) for operation in data):
                raise NotAcceptableError(_NO_SUBSCRIPTION)
        elif self._is_subscription(data):
            if preferred(accept, (EVENT_STREAM,)) is None:
                raise NotAcceptableError(_NO_SUBSCRIPTION)
            data.protocol = "sse"
        elif preferred(accept, _JSONS) is None:
            data.protocol = "sse"
        return data

    def _is_subscription(self, data: GraphQLRequestData) -> bool:
        return self.is_subscription(data.query or "", data.operation_name)

    async def create_streaming_response(
        self,
        request: Any,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """Make the answer of events, if one more can be open."""
        assert isinstance(sub_response, _Reply)  # noqa: S101  from get_sub_response
        assert sub_response.context is not None  # noqa: S101  from get_context
        with ExitStack() as stack:
            stack.enter_context(self.sockets.one())
            key = sub_response.context.key()
            if key is not None:
                stack.enter_context(self.sockets.one_of(key))
            return EventStream(stream(), headers={**headers, "Vary": VARY}, counted=stack.pop_all())

    async def execute_operation(self, *args: Any, **more: Any) -> Any:
        """Execute what was asked for, or begin to."""
        data = more["request_data"]
        if isinstance(data, list):
            try:
                return [await self._execute_in_turn(one, **more) for one in data]
            finally:
                account_of(more["sub_response"].scope).operation = BATCH
        result = await super().execute_operation(*args, **more)
        if isinstance(result, SubscriptionExecutionResult):
            reply = more["sub_response"]
            account = account_of(reply.scope)
            account.outcome = CANCELLED  # unless it comes to an answer
            reply.operation_name = self.documents.operation_name(data.query, data.operation_name)
            account.operation = self.names.told(reply.operation_name)
            reply.scope[_STREAMED] = reply
        return result

    async def _execute_in_turn(self, data: GraphQLRequestData, **more: Any) -> ExecutionResult:
        """Execute an operation of a batch when other requests, which wait too, had their turn."""
        await asyncio.sleep(0)
        return await self.execute_single(**{**more, "request_data": data})

    async def execute_single(self, *args: Any, **more: Any) -> ExecutionResult:
        """Execute one operation, unless it was refused by itself."""
        data = more["request_data"]
        if isinstance(data, RefusedOperation) and data.error:
            error = GraphQLError(str(data.error), extensions=data.error.extensions)
            return PreExecutionError(data=None, errors=[error])
        reply: _Reply = more["sub_response"]
        account = account_of(reply.scope)
        account.outcome = CANCELLED  # unless it comes to an answer
        try:
            return await super().execute_single(*args, **more)
        finally:
            reply.operation_name = self.documents.operation_name(data.query, data.operation_name)
            account.operation = self.names.told(reply.operation_name)

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """Leave `data` out where there was no execution (GraphQL spec, section 7.1)."""
        response = await super().process_result(request, result)
        if result.data is None and all(error.path is None for error in result.errors or ()):
            del response["data"]
        reply: _Reply | None = request.scope.get(_STREAMED)
        if reply is not None and reply.context is not None:
            mark_stale([response], reply.context.served)
            account = account_of(reply.scope)
            account.answered_s = account.answered_s or time.perf_counter() - reply.started
            self._tell(account, reply.operation_name, reply.context, [response])
        return response

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        """Make the HTTP answer; with graphql-response+json its status tells the truth."""
        assert isinstance(sub_response, _Reply)  # noqa: S101  from get_sub_response
        assert sub_response.context is not None  # noqa: S101  from get_context
        media_type, status, headers = sub_response.media_type, 200, dict[str, str]()
        if isinstance(response_data, list):
            media_type = JSON  # the other one is for a single answer
        elif media_type == GRAPHQL_JSON:
            headers, status = headers_and_status(response_data)
        answers = response_data if isinstance(response_data, list) else [response_data]
        served = sub_response.context.served
        has_errors = any("errors" in answer for answer in answers)
        headers |= cache_headers(
            served,
            has_errors=has_errors,
            execute_s=time.perf_counter() - sub_response.started,
        )
        mark_stale(answers, served)
        account = account_of(sub_response.scope)
        name = sub_response.operation_name
        self._tell(account, name, sub_response.context, answers)
        if isinstance(response_data, list):
            account.operation = BATCH
        response = Response(self.encode_json(response_data), status, headers, media_type)
        if served is not None and not has_errors and not served.is_stale:
            answered_from(sub_response.scope, served.snapshot)
        return response

    def decode_json(self, data: str | bytes) -> object:
        """Decode JSON; unlike json, orjson takes no NaN and has one error for all that is wrong."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str | bytes:
        """Encode JSON."""
        return orjson.dumps(data)

    def enter_operation(
        self,
        started: float,
        asked: Mapping[str, Any],
        context: Context,
        answer: Mapping[str, Any],
    ) -> None:
        """Enter an operation on a WebSocket: what was asked for, and the first answer to it."""
        account = Account()
        name = self.documents.operation_name(asked["query"], asked.get("operationName"))
        self._tell(account, name, context, [answer])
        self.book.enter_operation(started, account)

    def _tell(
        self,
        account: Account,
        name: str,
        context: Context,
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        """Complete the account of an operation of this name."""
        errors = [error for answer in answers for error in answer.get("errors", ())]
        account.outcome = OK
        if errors:
            account.outcome = errors[0].get("extensions", {}).get("code", BadRequestError.code)
        served = context.served
        is_good = (served is not None or context.is_watching) and not errors
        account.operation = self.names.learn(name) if is_good else self.names.told(name)
        if served is not None:
            account.cache = served.result
            if served.how != "hit":
                account.upstream_s = served.snapshot.times_s.get("upstream")
        if context.asked is not None:
            source, caller = context.asked
            account.tenant = source.tenant
            if account.caller is None:
                account.caller = digest_shown(source.key_of(caller))

    def _refused(self, request: Request | WebSocket, error: GatewayError) -> Response:
        account = account_of(request.scope)
        account.operation, account.outcome = account.operation or ANONYMOUS, error.code
        body: Mapping[str, Any] = {
            "errors": [{"message": str(error), "extensions": error.extensions}]
        }
        headers = {"Cache-Control": "no-store", "Vary": VARY, **error.headers}
        try:
            media_type = _media_type(request)
        except NotAcceptableError:
            media_type = JSON
        return Response(self.encode_json(body), error.http_status, headers, media_type)


def _media_type(request: Request | WebSocket) -> str:
    """Choose how to answer in one piece; also whoever takes only streams may have to be refused."""
    accept = request.headers.get("accept", "")
    media_type = preferred(accept, _JSONS)
    if media_type is None and preferred(accept, (EVENT_STREAM,)):
        return GRAPHQL_JSON
    if media_type is None and not wants_page(request):
        raise NotAcceptableError(f"The answer comes as {JSON} or {GRAPHQL_JSON}.")
    return media_type or JSON


def _explained(exc: GatewayError | HTTPException) -> GatewayError:
    """Say in our own words what Strawberry refuses."""
    if isinstance(exc, GatewayError):
        return exc
    cause = exc.__cause__
    if isinstance(cause, CannotGetOperationTypeError):
        return unresolved(cause)
    if isinstance(cause, InvalidOperationTypeError):
        return MethodNotAllowedError("Only queries are answered over GET.", allow="POST")
    return OperationResolutionError(exc.reason)
