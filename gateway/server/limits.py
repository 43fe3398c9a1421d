"""Limits on the sockets, the memory and the time that a client can take.

Without them a connection would stay open or grow forever if its client sends nothing, a header a
second, an endless head or endless trailers, or does not read its answer (Kludex/uvicorn#157).
"""

import asyncio
import time
from collections.abc import Iterable
from typing import NoReturn, cast

from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gateway.errors import BadRequestError, UpstreamUnavailableError
from gateway.headers import Header
from gateway.server.slow_readers import SlowReaderProtocol
from gateway.web.edge import Edge
from gateway.web.inbound import REQUEST_ID, find_inbound
from gateway.web.middleware.request_log import UNKNOWN, is_route
from gateway.web.read.body import SMALL_BYTES, TOO_MANY_BYTES, IncompleteBytes
from gateway.web.respond.errors import error_response

MAX_HEADERS = 200
_TOO_MANY = f"The request has more than {MAX_HEADERS} headers.", 431
_MAX_HEAD_BYTES = 64 * 2**10  # also of what follows a body, such as trailers
_MAX_PIPELINE = 32

# Limits bodies of many tiny pieces: each adds its cost to a debt, which its bytes reduce.
_PIECE_COST_BYTES = 256
_MAX_DEBT_BYTES = 4 * 2**20
_HEAD_TIMEOUT_S = 10
_PIECE_BYTES = 4 * 2**10
_HEADER_COST_BYTES = 150
"""What a header takes in memory beside its bytes."""


class LimitedProtocol(SlowReaderProtocol, HttpToolsProtocol):
    """Closes a connection when too many are open, or when its client exceeds a limit."""

    url = b""
    """The URI of the last request; uvicorn sets it when the first one begins."""

    _head_bytes = 0
    """Bytes since the last progress: the beginning or the end of a head, or a part of a body."""

    _headers_in_head = 0
    has_long_head = False
    """Whether the last head is longer than `SMALL_BYTES`."""

    _debt_bytes = 0
    """The cost of the body's pieces so far, less their bytes; never below 0."""

    _refusal: tuple[str, int] | None = None
    """The message and the status of the answer to an exceeded limit."""

    requests_begun = 0

    held: RequestResponseCycle | None = None
    """A request, until all received data is parsed: then the application is called with it."""

    is_draining = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; make room if too many connections are open."""
        super().connection_made(transport)
        self.incomplete = IncompleteBytes()
        self.is_draining = not getattr(getattr(self.app, "state", None), "is_ready", True)
        if self.edge is not None and self.edge.connection_limit.is_exceeded(self.connections):
            kinds = LimitedProtocol.has_no_request, LimitedProtocol.has_part_of_request
            found = (
                other
                for is_kind in kinds
                for other in self.connections  # not copied: there may be thousands
                if isinstance(other, LimitedProtocol) and other is not self and is_kind(other)
            )
            waiting = next(found, None)
            if waiting is None:
                transport.abort()
                return
            waiting.transport.close()
        self.start_head_timer(_HEAD_TIMEOUT_S)

    @property
    def is_between_requests(self) -> bool:
        """Whether all requests with a complete head are answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def has_no_request(self) -> bool:
        """Return whether no request is in progress, nor a WebSocket."""
        is_http = self.transport.get_protocol() is self and not self.transport.is_closing()
        return is_http and self.is_between_requests

    def has_part_of_request(self) -> bool:
        """Return whether the body of its only request is incomplete."""
        return not self.transport.is_closing() and self._is_next_to_answer()

    def data_received(self, data: bytes) -> None:
        """Parse received data; large data in pieces, so that a limit stops it early."""
        if len(data) <= _PIECE_BYTES:
            self._parse(data)
        else:
            for start in range(0, len(data), _PIECE_BYTES):
                # Not closed by a limit, nor handed over to a WebSocket.
                if not self.transport.is_closing() and self.transport.get_protocol() is self:
                    self._parse(data[start : start + _PIECE_BYTES])
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        is_whole = cycle is not None and not cycle.more_body and self.scope is cycle.scope
        if (self.pipeline or self.incomplete.size or not is_whole) and not self.count_incomplete():
            error = UpstreamUnavailableError(TOO_MANY_BYTES, retry_after_s=1)
            self._refuse(error_response(error))
        has_timer = self.timeout_keep_alive_task or self._head_timer
        if not has_timer and self.has_no_request():  # line ends came after a request
            self.start_head_timer(_HEAD_TIMEOUT_S)

    def _parse(self, piece: bytes) -> None:
        """Parse a piece; its bytes count if the request makes no progress."""
        self._head_bytes += len(piece)
        super().data_received(piece)
        refusal = _TOO_MANY if self._new_headers > MAX_HEADERS else None
        if self._head_bytes > _MAX_HEAD_BYTES:
            refusal = self._too_large()
        if len(self.pipeline) > _MAX_PIPELINE:
            self._close()
        if refusal and not self.transport.is_closing():
            self.send_400_response(*refusal)

    def on_message_begin(self) -> None:
        """Count the bytes of the head that begins."""
        super().on_message_begin()
        self.requests_begun += 1
        self._head_bytes = self._debt_bytes = self._headers_in_head = 0

    def on_headers_complete(self) -> None:
        """Stop the timer: the body has limits of its own.

        Raises:
            ValueError: there are too many headers, or they are too long; or `Host` is missing.
        """
        if len(self.headers) > MAX_HEADERS:
            self._reject(*_TOO_MANY)
        # The head is short enough if it came in one piece.
        size = len(self.url) + _size(self.headers) if self._head_bytes else 0
        if size > _MAX_HEAD_BYTES:
            self._reject(*self._too_large())
        self.has_long_head = size > SMALL_BYTES
        self._head_bytes = 0
        self._stop_head_timer()
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # its client cannot read a 100
        super().on_headers_complete()
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts != 1 and (hosts or self.scope["http_version"] != "1.0"):
            self._reject("The request must have one Host header.")  # RFC 9112, section 3.2
        # httptools appends trailers to this list: they are no headers (RFC 9110, section 6.5.1).
        self.headers = self.headers.copy()
        self._headers_in_head = len(self.headers)
        if self.is_draining and self.cycle is not None:  # None if a handshake is the first request
            self.cycle.keep_alive = False

    def _too_large(self) -> tuple[str, int]:
        part, status = ("URI", 414) if len(self.url) > _MAX_HEAD_BYTES // 2 else ("head", 431)
        most = f"{_MAX_HEAD_BYTES // 1024} KiB"
        return f"The {part} of the request is too large: the head may have {most}.", status

    def _reject(self, problem: str, status: int = 400) -> NoReturn:
        """Raise: uvicorn then calls `send_400_response`, which sends this problem and status.

        Raises:
            ValueError: always.
        """
        self._refusal = problem, status
        raise ValueError(problem)

    def send_400_response(self, msg: str, status: int = 400) -> None:
        """Refuse an invalid request, or one past a limit, with an error body; then close."""
        message, status = self._refusal or (msg, status)
        self._refuse(error_response(BadRequestError(message), status=status))

    def _refuse(self, response: Response) -> None:
        if self._is_next_to_answer():
            status, headers = response.status_code, response.raw_headers
            if self.edge is not None:
                headers.append((REQUEST_ID, self._log_refusal(self.edge, status)))
            self.write_answer(status, headers, bytes(response.body), b"", is_last=True)
        self._close()

    def _log_refusal(self, edge: Edge, status: int) -> bytes:
        """Log a refused request, unless the application runs and will do so; return its id."""
        scope: Scope = {"method": UNKNOWN, "path": "", "headers": [], **(self.scope or {})}
        is_running = find_inbound(scope) is not None and self.held is None
        inbound = edge.door.enter(scope)
        inbound.refused = status
        if not is_running:
            inbound.record.is_known_path = is_route(self.app, scope["path"])
            edge.access_log.request(scope, inbound, status, time.perf_counter(), inbound.record)
        return inbound.request_id

    def write_answer(
        self, status: int, headers: Iterable[Header], body: bytes, lines: bytes, *, is_last: bool
    ) -> None:
        """Write a whole answer; `lines` are more headers, as HTTP/1.1 has them."""
        own = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        close = b"connection: close\r\n" * is_last
        head = b"".join((STATUS_LINE[status], lines, *own, close, b"\r\n"))
        self.transport.writelines((head, body))  # without a copy of the body
        if is_last:
            self.transport.close()

    def _is_next_to_answer(self) -> bool:
        """Return whether the client expects the answer to the last request next."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and cycle.scope is self.scope:
            return cycle.more_body and not (self.pipeline or cycle.response_started)
        return self.is_between_requests  # the head of the last one is incomplete

    def on_body(self, body: bytes) -> None:
        """Add a piece to the body.

        Raises:
            ValueError: it came in too many pieces.
        """
        self._head_bytes = 0
        self._debt_bytes = max(0, self._debt_bytes + _PIECE_COST_BYTES - len(body))
        if self._debt_bytes > _MAX_DEBT_BYTES:
            self._reject("The body of the request came in too many pieces.")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Forget the trailers."""
        super().on_message_complete()
        if self._head_bytes:
            self._head_bytes = 0
            del self.headers[self._headers_in_head :]

    @property
    def _new_headers(self) -> int:
        """The number of headers of an incomplete head, or of trailers."""
        return len(self.headers or ()) - self._headers_in_head

    def count_incomplete(self) -> bool:
        """Count the memory of requests that are incomplete or wait; return False if too much."""
        if self.transport.is_closing():  # a refused handshake has no `connection_lost`
            return self.incomplete.hold(0)
        waiting = [cycle for cycle, _ in self.pipeline]
        if not (waiting or self.is_between_requests) and self.cycle.more_body:
            waiting = [self.cycle]
        size = self._head_bytes + _HEADER_COST_BYTES * self._new_headers
        size += sum(map(_memory_of, waiting))
        if waiting and size > SMALL_BYTES and self.edge is not None:
            self.edge.door.enter(cast("Scope", waiting[0].scope))
        return self.incomplete.hold(size, self.share)

    def drain(self) -> None:
        """Make the next answer the last one on this connection, and say so in its headers."""
        self.is_draining = True
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        self.incomplete.hold(0)
        super().connection_lost(exc)

    def start_head_timer(self, delay_s: float) -> None:
        """Close unless the head of a request, or the rest of one, comes in time."""
        self._head_timer = self.loop.call_later(delay_s, self._close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        """Close when all answers are sent; until then, hold no other requests."""
        self._stop_head_timer()
        self.pipeline.clear()
        self.headers = []
        self.incomplete.hold(0)
        self.transport.close()


def _size(headers: Iterable[Header]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _memory_of(cycle: RequestResponseCycle) -> int:
    """Return the approximate memory of a waiting request."""
    headers = cast("list[Header]", cycle.scope["headers"])
    return len(cycle.body) + _size(headers) + _HEADER_COST_BYTES * len(headers)
