"""The head of a request within limits of size and time, which uvicorn does not set.

A socket that sends nothing, a header a second, or a header without end would else stay open, or
grow, for good (Kludex/uvicorn#157).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BODY_IS_HERE", "BoundedHeadProtocol"]

BODY_IS_HERE = "gateway.body_is_here"
"""In a request's scope once all of its body has come: the first `receive` gives it at once."""

_LARGEST_HEAD = 64 * 2**10
_PATIENCE_S = 10


class BoundedHeadProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head is too large or too long in coming."""

    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and count it as long as the head is not complete."""
        super().data_received(data)
        if self._timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self._hang_up()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, the first one's or a later one's."""
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Let the request, or the WebSocket that it becomes, take its time."""
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Tell the application, which starts a moment after the head is complete."""
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._timer = self.loop.call_later(_PATIENCE_S, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._stop_waiting()
        self.transport.close()
