"""`/graphql`: Strawberry's ASGI view with our context, our JSON and our errors.

Source of the rules: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult

from gateway.caller import CallerPolicy
from gateway.schema.context import Context
from gateway.schema.roots import Schema
from gateway.source import Source
from gateway.web.query_page import query_page
from gateway.web.request_log import REQUEST_ID
from gateway.web.status import headers_and_status
from gateway.web.websocket import TextSocket

__all__ = ["GraphQLView"]

_PASSED_ON = frozenset({b"traceparent", b"tracestate", REQUEST_ID})
_CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)
_MOST_OPERATIONS_PER_SOCKET = 50
_LONGEST_MESSAGE = 500

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


class _Request(StarletteRequestAdapter):
    @property
    def content_type(self) -> str | None:
        # RFC 9110, section 8.3.1: media types are written in any case.
        return (super().content_type or "").lower()


class GraphQLView(GraphQL[Context, None]):
    """Answers queries over POST, GET and graphql-transport-ws."""

    request_adapter_class = _Request
    websocket_adapter_class = TextSocket

    def __init__(
        self, *, schema: Schema, source: Source, policy: CallerPolicy, query_page: bool
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if query_page else None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=_CONNECTION_INIT_TIMEOUT,
            max_subscriptions_per_connection=_MOST_OPERATIONS_PER_SOCKET,
        )
        self.source = source
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what Strawberry refuses in plain text becomes a GraphQL error."""
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response: Response = await self.run(request)
        except HTTPException as exc:
            response = self._refused(request, exc)
        except ClientDisconnect:
            return  # in the middle of its request: nobody waits for an answer
        await response(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Any) -> Context:
        """Make the context that resolvers work with."""
        headers = request.headers.raw
        trace = [header for header in headers if header[0] in _PASSED_ON]
        return Context(self.source, self.policy, headers, trace)

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Remember, until the answer is there, which media type the client wants it in."""
        return Response(media_type=_media_type(request))

    async def render_graphql_ide(self, request: Request) -> Response:
        """Show people the query page."""
        return query_page()

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """Leave `data` out where there was no execution (GraphQL spec, section 7.1)."""
        response = await super().process_result(request, result)
        if result.data is None and all(error.path is None for error in result.errors or ()):
            del response["data"]
        return response

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        """Make the HTTP answer; with graphql-response+json its status tells the truth."""
        media_type = sub_response.media_type
        headers: dict[str, str] = {}
        status = 200
        if media_type == GRAPHQL_JSON and isinstance(response_data, Mapping):
            headers, status = headers_and_status(response_data)
        return Response(self.encode_json(response_data), status, headers, media_type)

    def parse_json(self, data: str | bytes) -> Any:
        """Read a body, or a parameter of a GET, that has to be an object or a list."""
        parsed = super().parse_json(data)
        if not isinstance(parsed, dict | list):
            raise HTTPException(400, "The request's JSON has to be an object.")
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        """Decode JSON; unlike json, orjson takes no NaN and has one error for all that is wrong."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str | bytes:
        """Encode JSON."""
        return orjson.dumps(data)

    def _refused(self, request: Request, exc: HTTPException) -> Response:
        code = "BAD_REQUEST"
        if isinstance(exc.__cause__, CannotGetOperationTypeError):
            code = "OPERATION_RESOLUTION_FAILURE"
        error = {"message": exc.reason[:_LONGEST_MESSAGE], "extensions": {"code": code}}
        headers = {"Allow": "GET, POST"} if exc.status_code == 405 else None
        body = self.encode_json({"errors": [error]})
        return Response(body, exc.status_code, headers, _media_type(request))


def _media_type(request: Request | WebSocket) -> str:
    return GRAPHQL_JSON if GRAPHQL_JSON in request.headers.get("accept", "").lower() else JSON
