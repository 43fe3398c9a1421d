"""uvicorn's WebSocket protocol, with limits on what a client may send.

Received data is parsed in small pieces, and only while the application waits for a message: a read
of thousands of frames yields to other requests, and neither messages nor pongs pile up. Until
SuperOffice has accepted its credentials, a client is a stranger (`executor/turns.py`), and may send
little.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.protocol import OPEN

from gateway.server import uvicorn_hooks  # noqa: F401  fails on a release without a hook
from gateway.server.limits import MAX_HEADERS
from gateway.server.slow_readers import SlowReaderProtocol
from gateway.web.read.body import TOO_MANY_BYTES, IncompleteBytes

# As much as any head may have: a Cookie can be longer than the 8 KiB of the library.
http11.MAX_LINE_LENGTH = 128 * 2**10
http11.MAX_NUM_HEADERS = MAX_HEADERS

_PIECE_BYTES = 512
_PIECES_PER_TURN = 8
_MOST_FRAMES = 1_000
"""The most frames of one message."""

_MESSAGE_TIMEOUT_S = 10
_MOST_PINGS = 4
"""The most pings in a row that a client may leave unanswered."""

_CLOSE_TIMEOUT_S = 2
_STRANGERS_CLOSE_TIMEOUT_S = 0.1

_STRANGERS_BYTES = 16 * 2**10
"""The most bytes of a stranger's message, and of the unparsed data after it."""

_STRANGERS_FRAMES = 256
"""The most frames of all messages of a stranger together."""


class SocketProtocol(SlowReaderProtocol, WebSocketsSansIOProtocol):
    """One WebSocket to a client."""

    def __init__(self, *args: Any, **more: Any) -> None:  # as uvicorn's
        super().__init__(*args, **more)
        self.close_timeout = _STRANGERS_CLOSE_TIMEOUT_S
        self._is_strangers = True
        self._frames = 0
        self._pings = self._unsent = 0
        self._unread = memoryview(b"")
        self._incomplete = IncompleteBytes()
        self._message_timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None

    def handle_connect(self, event: Request) -> None:
        """Call the application, which reports when SuperOffice has accepted the client."""
        super().handle_connect(event)
        if self.edge is None:  # another application, which does not report that
            self._lift_limits()
        elif self.response.status_code == 101:
            self.edge.door.enter(cast("Any", self.scope)).on_accepted = self._lift_limits

    def send_keepalive_ping(self) -> None:
        """Send a ping; after four without a pong, or anything else, end the connection.

        The client is gone, although a proxy may keep the connection. Not by a close with 1011, as
        uvicorn's own timeout does: after that, clients give up.
        """
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent < unsent:  # the client reads, and gets to the ping later
            self._pings = 0
        if self._pings >= _MOST_PINGS and not self.read_paused:  # then a pong may wait unread
            self.transport.abort()
        else:
            self._pings += 1
            super().send_keepalive_ping()

    def _lift_limits(self) -> None:
        self._is_strangers = False
        self.close_timeout = _CLOSE_TIMEOUT_S

    def data_received(self, data: bytes) -> None:
        """Parse the handshake as a whole, and frames in pieces."""
        self._pings = 0
        if self.handshake_initiated:
            self._unread = memoryview(bytes(self._unread) + data if self._unread else data)
            self._read()
            return
        super().data_received(data)
        if not self.handshake_initiated:  # websockets cannot parse it, and would wait for more
            self.transport.close()

    async def receive(self) -> Any:  # the types of uvicorn and Starlette differ
        """Return the next message, or wait for it."""
        if self.queue.empty():
            self._read()
        return await self.queue.get()

    async def send(self, message: Any) -> None:
        """Send a message, which counts until the client has read it."""
        with self.sending(len(message.get("text") or "")):
            await super().send(message)

    def resume_writing(self) -> None:
        """Resume reading, too: the client reads again."""
        super().resume_writing()
        self._read()

    def _read(self) -> None:
        """Parse until a message waits, or it is time to yield to other requests."""
        for _ in range(_PIECES_PER_TURN):
            if not self._unread or not self._may_read():
                break
            piece, self._unread = self._unread[:_PIECE_BYTES], self._unread[_PIECE_BYTES:]
            super().data_received(bytes(piece))
            self._check_limits()
        if self.transport.is_closing():
            self._unread = memoryview(b"")
            return
        is_waiting = self._may_read() and not self._unread
        if self.read_paused is is_waiting:
            self.read_paused = not is_waiting
            (self.transport.resume_reading if is_waiting else self.transport.pause_reading)()
        if self._turn is not None:
            self._turn.cancel()
        self._turn = self.loop.call_soon(self._read) if self._unread and self._may_read() else None
        self._time_message(is_waiting=is_waiting)

    def _may_read(self) -> bool:
        is_taken = self.queue.empty() or self.close_sent
        return is_taken and self.writable.is_set() and not self.transport.is_closing()

    def handle_events(self) -> None:
        """Handle frames; count those of a message, or all of an unauthenticated client."""
        self._frames += len(self.conn.events)
        super().handle_events()
        if self.conn.current_size is None and not self._is_strangers:
            self._frames = 0

    def _check_limits(self) -> None:
        """Close the connection when its client has sent too much."""
        parsed = len(self.conn.reader.buffer) + (self.conn.current_size or 0)
        waiting = 0 if self._may_read() else len(self._unread)
        is_much = max(parsed, waiting) > _STRANGERS_BYTES or self._frames > _STRANGERS_FRAMES
        if self._is_strangers and is_much:
            self._fail(CloseCode.TRY_AGAIN_LATER, "Too many bytes or frames before authentication.")
        elif self._frames > _MOST_FRAMES:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "The message has too many frames.")
        elif not self._incomplete.hold(parsed, self.share):
            self._fail(CloseCode.TRY_AGAIN_LATER, TOO_MANY_BYTES)

    def _time_message(self, *, is_waiting: bool) -> None:
        """Limit the time for the rest of a message that has begun."""
        has_begun = bool(self.conn.reader.buffer) or self.conn.current_size is not None
        if self._message_timer is not None and not (has_begun and is_waiting):
            self._message_timer.cancel()
            self._message_timer = None
        elif self._message_timer is None and has_begun and is_waiting:
            self._message_timer = self.loop.call_later(
                _MESSAGE_TIMEOUT_S, self._fail, CloseCode.TRY_AGAIN_LATER, "A message is too slow."
            )

    def _fail(self, code: CloseCode, reason: str) -> None:
        if self.conn.state is OPEN:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
        else:
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """Close after invalid data; a message that is being sent is then no error."""
        super().handle_parser_exception()
        self.disconnected = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._message_timer, self._turn):
            if timer is not None:
                timer.cancel()
        self._incomplete.hold(0)
        super().connection_lost(exc)
        self.conn.parser.close()  # a reference cycle: a flood would leave a lot to the collector

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Forget the request, which refers to this object."""
        super().on_task_complete(task)
        self.scope.clear()  # a dict
