"""Requests to the gateway for the tests of this folder: GET, raw bytes, JSON, WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from gateway.caller import CallerPolicy
from gateway.errors import TenantMissingError
from gateway.headers import Header
from gateway.observe.metrics import RequestMeter
from gateway.sessions.source import Source
from gateway.web.inbound import Door
from gateway.web.middleware.request_log import AccessLog, RequestLog
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over

GRAPHQL_JSON = "application/graphql-response+json"
PROTOCOL = "graphql-transport-ws"
TYPENAME = {"data": {"__typename": "Query"}}

Json = dict[str, Any]


async def get(
    gateway: Gateway, query: str, headers: Mapping[str, str] | None = None, **more: str
) -> httpx.Response:
    """Send a query in the URL, with credentials in the headers."""
    return await gateway.http.get(
        "/graphql", params={"query": query, **more}, headers={**CREDENTIALS, **(headers or {})}
    )


async def post_body(gateway: Gateway, body: bytes, **headers: str) -> httpx.Response:
    """Send bytes as JSON; header names are written with underscores."""
    extra_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.http.post(
        "/graphql", content=body, headers={"Content-Type": "application/json", **extra_headers}
    )


async def post_json(gateway: Gateway, body: Any, **headers: str) -> httpx.Response:
    """Send JSON with credentials."""
    return await post_body(gateway, json.dumps(body).encode(), **CREDENTIALS, **headers)


def first_error(answer: httpx.Response) -> tuple[str, str]:
    """Return the code and the message of an answer's first error."""
    error = answer.json()["errors"][0]
    return error["extensions"]["code"], error["message"]


class Socket:
    """One WebSocket to an ASGI application, without a network."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Json] = asyncio.Queue()
        self._incoming: asyncio.Queue[Json] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def receive(self) -> Json:
        return await self._incoming.get()

    async def send(self, message: Any) -> None:
        await self.sent.put(message)

    def send_json(self, message: Json) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    async def log_in(self) -> None:
        """Receive the handshake and log in."""
        assert (await self.sent.get())["type"] == "websocket.accept"
        self.send_json({"type": "connection_init"})
        assert await self.next_message() == {"type": "connection_ack"}

    def disconnect(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def until(self, *kinds: str) -> Json:
        """Wait for a message whose type, ASGI's or in its JSON, is one of these, and return it."""
        while True:
            message = await self.sent.get()
            if "text" in message:
                message = json.loads(message["text"])
            if message["type"] in kinds:
                return message

    async def next_message(self) -> Json:
        """Return the next message."""
        message: Json = json.loads((await self.sent.get())["text"])
        return message


@contextlib.asynccontextmanager
async def connected(
    rest: RestSide,
    headers: Mapping[str, str] | None = None,
    query_string: str = "",
    **settings: Any,
) -> AsyncIterator[Socket]:
    """Open a WebSocket to a new gateway; the first answer is in `sent`."""
    async with (
        gateway_over(rest, **settings) as gateway,
        connected_to(gateway.app, headers, query_string) as socket,
    ):
        yield socket


@contextlib.asynccontextmanager
async def connected_to(
    app: Starlette,
    headers: Mapping[str, str] | None = None,
    query_string: str = "",
    path: str = "/graphql",
) -> AsyncIterator[Socket]:
    """Open a WebSocket to a running application."""
    all_headers = {"host": "gateway.invalid", **(headers or {})}
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": query_string.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in all_headers.items()],
        "subprotocols": [PROTOCOL],
        "extensions": {"websocket.http.response": {}},
    }
    socket = Socket()
    running = asyncio.create_task(app(scope, socket.receive, socket.send))
    try:
        yield socket
    finally:
        socket.disconnect()
        await running


def behind_the_door(*routes: BaseRoute) -> Starlette:
    """Make an application of these routes, whose requests pass a `Door`."""

    def find_source(path: str, headers: Sequence[Header]) -> Source:
        raise TenantMissingError

    door = Door(
        find_source=find_source,
        policy=CallerPolicy(),
        heeds_cache_control=True,
    )
    log = AccessLog(RequestMeter())
    return Starlette(routes=routes, middleware=[Middleware(RequestLog, door=door, access_log=log)])
