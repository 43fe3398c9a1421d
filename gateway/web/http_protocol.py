"""uvicorn's HTTP protocol: with limits on a request's head, and past the application if it can.

* A socket that sends nothing, a header a second, or a header without end would else stay open, or
  grow, for good (Kludex/uvicorn#157).
* A ready answer is sent as soon as its request is complete: no task, no middleware, one write.
"""

import asyncio
import time
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.caller import Header
from gateway.web.body import BODY
from gateway.web.ready import Answer, Asked, ReadyAnswers
from gateway.web.request_log import REQUEST_ID, RequestBook, request_id_of

__all__ = ["GatewayProtocol"]

_LARGEST_HEAD = 64 * 2**10
_PATIENCE_S = 10


class GatewayProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head is too large or too long in coming."""

    _head_bytes = 0
    _is_in_head = True
    _timer: asyncio.TimerHandle | None = None
    _held: tuple[Any, Any] | None = None
    """A request, and the application to call with it, until all is read that has come."""

    _is_reading = False
    _asked: tuple[list[Header], Asked | None] = ([], None)
    """What the headers of the connection's last request said: the next one's are often the same."""

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._ready: ReadyAnswers | None = getattr(getattr(self.app, "state", None), "ready", None)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and count it as long as the head is not complete."""
        self._is_reading = True
        super().data_received(data)
        self._is_reading = False
        self._let_go()
        if self._is_in_head:
            if self._timer is None:
                self._expect_head()
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self._hang_up()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, the first one's or a later one's."""
        super().on_message_begin()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """Let the request, or the WebSocket that it becomes, take its time."""
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_reading:
            self._held = (cycle, app)
        else:
            super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Answer at once, or have the application do it."""
        super().on_message_complete()
        if self._held is not None:
            cycle = self._held[0]
            cycle.scope[BODY] = bytes(cycle.body)
            ready = None if self.flow.write_paused else self._ready
            found = self._find(ready, cycle.scope) if ready else None
            if ready and found:
                self._held = None
                self._send(ready.book, cycle, *found)
            self._let_go()

    def _find(self, ready: ReadyAnswers, scope: Scope) -> tuple[Answer, list[Header]] | None:
        body: bytes = scope[BODY]
        if not ready.is_kept(scope, body):
            return None
        headers, asked = self._asked
        if headers != scope["headers"]:
            asked = ready.asked(scope["headers"])
            self._asked = (scope["headers"], asked)
        return None if asked is None else ready.find(scope, body, asked)

    def _let_go(self) -> None:
        """Call the application with the request that was held."""
        if self._held is not None:
            held, self._held = self._held, None
            super()._start_asgi_task(*held)

    def _send(self, book: RequestBook, cycle: Any, answer: Answer, aging: list[Header]) -> None:
        scope: Scope = cycle.scope
        started = time.perf_counter()
        request_id = request_id_of(scope)
        headers = [
            *self.server_state.default_headers,
            *answer.headers,
            *aging,
            (REQUEST_ID, request_id),
        ]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join((STATUS_LINE[answer.status], *lines, b"\r\n", answer.body)))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        book.enter(scope, request_id, answer.status, started, answer.account)

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
