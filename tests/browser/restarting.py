"""A gateway that ends its WebSockets as a restart does."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class Restarting:
    """Ends all WebSockets when `/restart` is opened; after `/stop`, it refuses others, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ends: set[asyncio.Event] = set()
        self._is_stopped = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass other requests on."""
        if scope.get("path") in {"/restart", "/stop"}:
            self._is_stopped = scope["path"] == "/stop"
            for end in self._ends:
                end.set()
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        if self._is_stopped:
            await send({"type": "websocket.close"})
            return
        end = asyncio.Event()
        self._ends.add(end)
        serving = asyncio.ensure_future(self._app(scope, receive, send))
        ending = asyncio.ensure_future(end.wait())
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        self._ends.discard(end)
        if end.is_set():
            await send({"type": "websocket.close", "code": 1012})
        ending.cancel()
        serving.cancel()
        await asyncio.gather(serving, ending, return_exceptions=True)
