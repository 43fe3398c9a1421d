"""uvicorn's HTTP protocol as the gateway runs it: limits, upgrades and cached answers together."""

import asyncio
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.server import uvicorn_hooks  # noqa: F401  fails on a uvicorn that lacks a hook
from gateway.server.fast_lane import Application, FastLaneProtocol
from gateway.server.one_write import OneWrite
from gateway.server.upgrade import UpgradeProtocol


class GatewayProtocol(UpgradeProtocol, FastLaneProtocol):
    """One connection to a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Write answers as `OneWrite` does."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))

    def _call(self, cycle: RequestResponseCycle, app: Application) -> None:
        is_old = cycle.scope["http_version"] == "1.0"
        super()._call(cycle, _without_chunks(app, cycle) if is_old else app)


def _without_chunks(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """Return the app with answers that end with their connection.

    HTTP/1.0 clients do not know chunks (RFC 9112, section 6.1). uvicorn compares each piece with
    the length that is left, so that is set to the piece's own.
    """

    async def unchunked(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unchunked(message: Message) -> None:
            cycle.chunked_encoding = False
            cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return unchunked
