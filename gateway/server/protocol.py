"""uvicorn's HTTP protocol: with limits on what a client holds, and past the application if it can.

* A socket that sends nothing, a header a second, a header or trailers without end, or a few bytes
  after its answer would else stay open, or grow, for good (Kludex/uvicorn#157).
* What comes behind a body would be taken for a header, also where a proxy has removed those.
* A client that does not read would keep its answer in memory for good; one that leaves, its place.
* Before the server stops, the next answer on each connection is its last, and streams end.
* A ready answer is sent as soon as its request is complete: no task, no middleware, one write.
"""

import asyncio
import socket
import sys
import time
from typing import Any

from httptools import HttpRequestParser
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.headers import Header
from gateway.web import response_cache
from gateway.web.edge import Edge
from gateway.web.inbound import REQUEST_ID, Asked, Inbound, inbound_of
from gateway.web.response_cache import CachedAnswer

_LARGEST_HEAD = 64 * 2**10  # and as much behind a body
_LONGEST_PIPELINE = 32
_PATIENCE_S = 10
_PATIENCE_WITH_READERS_S = 30
_PIECE = 16 * 2**10
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_OF_UPGRADES = frozenset({b"upgrade", b"http2-settings"})


class GatewayProtocol(HttpToolsProtocol):
    """Closes connections that are one too many, or whose client asks too much or too slowly."""

    _head_bytes = 0
    """What came since the last head was complete, or the last piece of a body came."""

    _is_in_head = True
    _is_further = False
    """Whether what has come just now has completed a head, or has a part of a body in it."""

    _is_upgraded = False
    _is_draining = False
    _timer: asyncio.TimerHandle | None = None
    _held: tuple[Any, Any] | None = None
    """A request, and the application to call with it, until all is read that has come."""

    _piece = b""
    """What is being parsed."""

    _to_parse = b""
    """What is to be parsed after it."""

    _is_read_again = False
    """Whether the request asks for a protocol that is not spoken here."""

    _running: Any = None
    """The request that the application was called with last; those behind it wait."""

    _is_reading = False
    _asked: tuple[str, list[Header], Asked] | None = None
    """What the connection's last request said: the next one is often the same but for its body."""

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request, unless too many clients wait already."""
        super().connection_made(transport)
        state = getattr(self.app, "state", None)
        self._edge: Edge | None = getattr(state, "edge", None)
        if self._edge and self._edge.connection_limit.refuses(len(self.connections)):
            transport.abort()
            return
        self._is_draining = not getattr(state, "is_ready", True)
        _limit_time_to_read(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take in what came; what is large comes in pieces, so that limits hold in its midst."""
        self._is_reading = True
        if len(data) <= _LARGEST_HEAD:
            self._take(data)
        else:
            for start in range(0, len(data), _PIECE):
                self._take(data[start : start + _PIECE])
        self._is_reading = False
        self._let_go()
        if self._is_nobodys_turn():
            self._expect_head()

    def _take(self, data: bytes) -> None:
        """Have a piece parsed, and count it unless it brings a request further."""
        self._is_further = False
        self._to_parse = data
        while self._to_parse and not (self.transport.is_closing() or self._is_upgraded):
            self._piece, self._to_parse = self._to_parse, b""
            super().data_received(self._piece)
        if self._is_in_head or not self._is_further:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self._hang_up()

    def _is_nobodys_turn(self) -> bool:
        """Tell whether something came that is no request yet, and that nobody waits for."""
        if self.timeout_keep_alive_task or self._timer or self._is_upgraded:
            return False
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and cycle.response_complete

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket's own protocol, which cannot read a body."""
        if any(name in _OF_BODIES and value != b"0" for name, value in self.headers):
            self.send_400_response("A handshake has no body.")
            return
        self._is_upgraded = True
        super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request as if it did not ask for another protocol (RFC 9110, section 7.8).

        Java's client asks for HTTP/2 with whatever it sends first. httptools ends such a request
        with its head, and leaves its body over.
        """
        upgrade: Any = sys.exception()  # which uvicorn is handling; it says where the head ends
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":  # which is one without its headers, too
            self.send_400_response("This is no proxy.")
            return
        head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(v for v in value.split(b",") if v.strip().lower() == b"close")
            if name not in _OF_UPGRADES:
                head.append(b"%s: %s\r\n" % (name, value))
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._to_parse = b"%s\r\n%s" % (b"".join(head), self._piece[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, the first one's or a later one's."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Let the request, or the WebSocket that it becomes, take its time."""
        self._is_read_again = self.parser.should_upgrade() and not self._should_upgrade()
        if self._is_read_again:
            return
        self._is_in_head = False
        self._is_further = True
        self._stop_waiting()
        super().on_headers_complete()
        # A trailer is no header (RFC 9110, section 6.5.1): it goes where nobody looks.
        self.headers = self.headers.copy()
        if len(self.pipeline) > _LONGEST_PIPELINE:
            self.pipeline.clear()
            self._hang_up()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body."""
        self._is_further = True
        self._head_bytes = 0
        super().on_body(body)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_draining:
            cycle.keep_alive = False
        if self._is_reading:
            self._held = (cycle, app)
        else:
            self._start(cycle, app)

    def _start(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Answer at once, or have the application do it."""
        if self._is_read_again:
            return
        super().on_message_complete()
        if self._held is not None:
            cycle = self._held[0]
            if self._edge is not None:
                inbound = self._enter(self._edge, cycle.scope, bytes(cycle.body))
                if self._edge.has_fast_lane and not self.flow.write_paused:
                    found = response_cache.find(cycle.scope, inbound)
                    if found:
                        self._held = None
                        self._send(self._edge, cycle, *found)
            self._let_go()

    def _enter(self, edge: Edge, scope: Scope, body: bytes) -> Inbound:
        path, headers = scope["path"], scope["headers"]
        if self._asked is None or self._asked[1] != headers or self._asked[0] != path:
            self._asked = path, headers, edge.door.read(path, headers)
        return edge.door.enter(scope, self._asked[2], body)

    def _let_go(self) -> None:
        """Call the application with the request that was held, unless there is too much to do."""
        if self._held is None:
            return
        (cycle, app), self._held = self._held, None
        edge = None if self.flow.write_paused else self._edge
        if edge and _is_shed(edge, cycle.scope):
            edge.door.enter(cycle.scope)
            self._send(edge, cycle, edge.admission.refusal, [])
        else:
            self._start(cycle, app)

    def _send(self, edge: Edge, cycle: Any, answer: CachedAnswer, aging: list[Header]) -> None:
        scope: Scope = cycle.scope
        started = time.perf_counter()
        request_id = inbound_of(scope).request_id
        headers = [*self.server_state.default_headers, *aging, (REQUEST_ID, request_id)]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(
            b"".join((STATUS_LINE[answer.status], answer.lines, *lines, b"\r\n", answer.body))
        )
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        edge.access_log.request(scope, request_id, answer.status, started, answer.record)

    def drain(self) -> None:
        """Make the next answer the last one on this connection, and tell the client so."""
        self._is_draining = True
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Finish what is in flight, but not a stream, which is never finished."""
        super().shutdown()
        end_stream = self._of_running("end_stream")
        if end_stream is not None:
            end_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what its client was waiting for."""
        self._stop_waiting()
        super().connection_lost(exc)
        on_disconnect = self._of_running("on_disconnect")
        if on_disconnect is not None:
            on_disconnect()

    def _of_running(self, name: str) -> Any:
        inbound = None if self._running is None else self._running.scope.get("gateway.inbound")
        return getattr(inbound, name, None)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(_PATIENCE_S, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._stop_waiting()
        self.transport.close()


def _limit_time_to_read(transport: Any) -> None:
    """Have the system reset a connection whose client takes nothing of what is sent to it.

    RFC 5482. The system knows what has arrived, which no timer in here does; and its limit holds
    for WebSockets, and for connections that are being closed, too.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # pragma: no branch - Linux
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_PATIENCE_WITH_READERS_S * 1000)
        )


def _is_shed(edge: Edge, scope: Scope) -> bool:
    """Return whether the server refuses the request; pages of other sites get CORS headers too."""
    if scope["method"] != "POST" or scope["path"] != edge.path or not edge.admission.is_full:
        return False
    return all(name != b"origin" for name, _ in scope["headers"])
