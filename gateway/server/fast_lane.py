"""Cached answers, and 503s under load, sent without calling the application.

Such an answer is sent as soon as its request is complete: no task, no middleware, one write.
"""

import time
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.headers import Header
from gateway.server.one_write import CLOSE, OneWriteProtocol
from gateway.web import response_cache
from gateway.web.edge import Edge
from gateway.web.inbound import REQUEST_ID, Inbound, RequestHead, find_inbound, inbound_of
from gateway.web.read.body import SMALL_BYTES
from gateway.web.response_cache import CachedAnswer, CacheHit


class FastLaneProtocol(OneWriteProtocol):
    """Answers from the cache if it can; cancels a request when its client disconnects."""

    _is_reading = False
    _running: RequestResponseCycle | None = None
    """The request that the application was called with last; later ones wait in the pipeline."""

    _last_head: RequestHead | None = None
    """The head of the connection's last request."""

    _last_request = b""
    """The connection's last request, if it is short, came in one piece and had a cached answer."""

    _begun_when_complete = 0
    """How many requests had begun when the last one was complete."""

    def forget_head(self) -> None:
        """Read the next head again, even if it is equal to the last one."""
        self._last_head = None
        self._last_request = b""

    def on_response_complete(self) -> None:
        """Go on with the next request; an idle connection holds no long head."""
        super().on_response_complete()
        if self.incomplete.size:
            self.count_incomplete()
        # Not while the next head has come in part.
        if self.has_long_head and self.is_between_requests and self.scope is self.cycle.scope:
            self.forget_head()
            self.url, self.headers = b"", []
            self.cycle.scope = self.scope = {}  # type: ignore[assignment]  # of no request

    def data_received(self, data: bytes) -> None:
        """Parse received data, then call the application with a request that is not answered yet.

        A polling client repeats its request byte for byte. Comparing the bytes saves the parsing,
        half of a cached answer's time.
        """
        if data == self._last_request and self._answer_again():
            return
        self._last_request = b""
        begun = self.requests_begun
        was_between = begun == self._begun_when_complete
        self._is_reading = True
        super().data_received(data)
        self._is_reading = False
        if self.held is not None:
            self._release(self.held)
        elif was_between and begun + 1 == self.requests_begun == self._begun_when_complete:
            # The data is one whole request, and nothing else.
            cycle: RequestResponseCycle | None = self.cycle  # None after a handshake
            if cycle is not None and cycle.response_complete and len(data) <= SMALL_BYTES:
                self._last_request = data

    def _answer_again(self) -> bool:
        """Answer the last request again from the cache; return whether that was possible."""
        if self.edge is None or self.is_draining or self.transport.is_closing():
            return False
        scope = scope_of(self.cycle)
        inbound = inbound_of(scope)
        if (found := self._find(self.edge, scope, inbound)) is None:
            return False
        inbound.request_id = inbound.head.request_id()
        self._send(self.edge, self.cycle, *found)
        return True

    def _find(self, edge: Edge, scope: Scope, inbound: Inbound) -> CacheHit | None:
        can_send = edge.has_fast_lane and not self.flow.write_paused
        return response_cache.find(scope, inbound) if can_send else None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._is_reading:
            self.held = cycle
        else:
            self._call(cycle)

    def _call(self, cycle: RequestResponseCycle) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, self.app)

    def on_message_complete(self) -> None:
        """Answer from the cache, or call the application."""
        super().on_message_complete()
        self._begun_when_complete = self.requests_begun
        if (cycle := self.held) is None or self.transport.is_closing():
            return
        edge = self.edge
        if edge is not None:
            scope = scope_of(cycle)
            inbound = edge.door.enter(scope, bytes(cycle.body), self._last_head)
            cycle.body = bytearray()  # the whole body is held once
            self._last_head = inbound.head
            if found := self._find(edge, scope, inbound):
                self.held = None
                self._send(edge, cycle, *found)
                return
        self._release(cycle)

    def _release(self, cycle: RequestResponseCycle) -> None:
        """Call the application with the held request, or answer 503 under load.

        Do neither if the connection is closing, as after a 400 for a part of the body.
        """
        self.held = None
        if self.transport.is_closing():
            return
        edge = None if self.flow.write_paused else self.edge
        if edge and edge.sheds(scope_of(cycle)):
            self._send(edge, cycle, edge.admission.refusal, [CLOSE] * cycle.more_body)
        else:
            self._call(cycle)

    def _send(
        self, edge: Edge, cycle: RequestResponseCycle, answer: CachedAnswer, aging: list[Header]
    ) -> None:
        scope, started = scope_of(cycle), time.perf_counter()
        inbound = inbound_of(scope)
        headers = [*aging, (REQUEST_ID, inbound.request_id)]
        self.send_whole(cycle, (answer.status, headers, answer.body, answer.lines))
        edge.access_log.request(scope, inbound, answer.status, started, answer.record)

    def shutdown(self) -> None:
        """Let the request in progress finish; end a stream, which would never finish."""
        super().shutdown()
        if inbound := self._running_inbound():
            inbound.end_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request in progress: its client has disconnected."""
        super().connection_lost(exc)
        if self._running is not None:  # uvicorn informs only the last request of a pipeline
            self._running.disconnected = True
            self._running.message_event.set()
        if inbound := self._running_inbound():
            inbound.on_disconnect()

    def _running_inbound(self) -> Inbound | None:
        return find_inbound(scope_of(self._running)) if self._running is not None else None


def scope_of(cycle: RequestResponseCycle) -> Scope:
    """Return the scope of a request, as Starlette types it."""
    return cast("Scope", cycle.scope)
