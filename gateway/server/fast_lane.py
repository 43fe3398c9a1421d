"""Cached answers, and 503s under load, sent without calling the application.

Such an answer goes out as soon as its request is complete: no task, no middleware, one write. This
file is all that the server knows of `gateway.web`.
"""

import time
from http import HTTPStatus
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.headers import Header
from gateway.web.admission import Shedding
from gateway.web.disconnect import LEAVE
from gateway.web.middleware.request_log import REQUEST_ID, RequestBook, id_for
from gateway.web.read.body import BODY
from gateway.web.response_cache import Answer, Asked, ReadyAnswers
from gateway.web.stream.event_stream import END_STREAM

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


class FastLaneProtocol(HttpToolsProtocol):
    """Answers from the cache if it can; tells the application when its client has left."""

    _is_reading = False
    _held: tuple[Any, Any] | None = None
    """A request and the application to call with it, until everything that came is parsed."""

    _running: Any = None
    """The request that the application was called with last; later ones wait in the pipeline."""

    _last_asked: tuple[str, list[Header], Asked | None] = ("", [], None)
    """Path, headers and meaning of the connection's last request: the next is often the same."""

    def connection_made(self, transport: Any) -> None:
        """Find what the application offers to its server."""
        super().connection_made(transport)
        state = getattr(self.app, "state", None)
        self._ready: ReadyAnswers | None = getattr(state, "ready", None)
        self._shedding: Shedding | None = getattr(state, "shedding", None)

    def data_received(self, data: bytes) -> None:
        """Parse what came, then call the application with a request that is not answered yet."""
        self._is_reading = True
        super().data_received(data)
        self._is_reading = False
        if self._held is not None:
            self._release(*self._held)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_reading:
            self._held = (cycle, app)
        else:
            self._call(cycle, app)

    def _call(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Answer from the cache, or call the application."""
        super().on_message_complete()
        if self._held is not None:
            cycle, app = self._held
            cycle.scope[BODY] = bytes(cycle.body)
            ready = None if self.flow.write_paused else self._ready
            found = self._find(ready, cycle.scope) if ready else None
            if ready and found:
                self._held = None
                self._send(ready.book, cycle, *found)
            else:
                self._release(cycle, app)

    def _find(self, ready: ReadyAnswers, scope: Scope) -> tuple[Answer, list[Header]] | None:
        body: bytes = scope[BODY]
        if not ready.is_kept(scope, body):
            return None
        path, headers, asked = self._last_asked
        if headers != scope["headers"] or path != scope["path"]:
            asked = ready.asked(scope["path"], scope["headers"])
            self._last_asked = (scope["path"], scope["headers"], asked)
        return None if asked is None else ready.find(scope, body, asked)

    def _release(self, cycle: Any, app: Any) -> None:
        """Call the application with the request that was held, or answer 503 under load."""
        self._held = None
        shedding = None if self.flow.write_paused else self._shedding
        refusal = shedding.answer_to(cycle.scope) if shedding else None
        if shedding and refusal:
            self._send(shedding.book, cycle, refusal, [])
        else:
            self._call(cycle, app)

    def _send(self, book: RequestBook, cycle: Any, answer: Answer, aging: list[Header]) -> None:
        scope: Scope = cycle.scope
        started = time.perf_counter()
        request_id = id_for(scope["headers"])
        headers = [*self.server_state.default_headers, *aging, (REQUEST_ID, request_id)]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(
            b"".join((_STATUS_LINES[answer.status], answer.lines, *lines, b"\r\n", answer.body))
        )
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        book.enter(scope, request_id, answer.status, started, answer.account)

    def shutdown(self) -> None:
        """Let the request in progress finish; end it if it is a stream, which never finishes."""
        super().shutdown()
        self._notify(END_STREAM)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request in progress: its client has left."""
        super().connection_lost(exc)
        self._notify(LEAVE)

    def _notify(self, key: str) -> None:
        if self._running is not None and key in self._running.scope:
            self._running.scope[key]()
