"""The head and the body of an answer go out in one write.

uvicorn writes them separately, and uvloop makes each write a system call, which also wakes the
client twice. It also checks each header on its own.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, RequestResponseCycle

from gateway.headers import Header
from gateway.server.limits import LimitedProtocol

WholeAnswer: TypeAlias = tuple[int, Iterable[Header], bytes, bytes]
"""Status, headers and body, and more headers as HTTP/1.1 has them."""


CLOSE = (b"connection", b"close")
"""A header of answers before the end of their request: a proxy may drop the rest of the body, and
its next request would be read as that. The connection is open until the request has ended: unread
data would reset it before the client has read the answer (RFC 9112, section 9.6)."""

_REST_S, _REST_DRAINING_S = 10, 1


class OneWriteProtocol(LimitedProtocol):
    """Sends answers in one piece; all others, and invalid ones, are sent by uvicorn."""

    def on_message_complete(self) -> None:
        """Close the connection if the request was answered before its end, or is the last one."""
        super().on_message_complete()
        cycle: RequestResponseCycle | None = self.cycle  # None after a handshake
        if cycle is not None and cycle.more_body:
            self.transport.close()
        elif cycle is not None and not self.parser.should_keep_alive():
            cycle.keep_alive = False  # after a trailer with Connection, the parser ignores all data

    def on_response_complete(self) -> None:
        """Limit the time for the rest of a request that was answered before its end."""
        super().on_response_complete()
        if self.is_between_requests and self.cycle.more_body:
            self.start_head_timer(_REST_DRAINING_S if self.is_draining else _REST_S)

    def send_whole(self, cycle: RequestResponseCycle, answer: WholeAnswer) -> None:
        """Send an answer, and go on with the next request, or close."""
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        self.write_answer(*answer, is_last=not (cycle.keep_alive or cycle.more_body))
        if self.flow.write_paused:
            self.partly_sent_bytes = len(answer[2])
        cycle.on_response()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Call the app with a `send` that holds the head of an answer until its body follows."""
        held: Message | None = None
        scope, send_on = cycle.scope, cast("Send", cycle.send)
        has_body = scope["method"] != "HEAD"

        async def send(message: Message) -> None:
            nonlocal held
            start, held = held, None
            body, headers = message.get("body", b""), dict(message.get("headers", ()))
            is_early = cycle.more_body and message["type"] == "http.response.start"
            if is_early and b"connection" not in headers:
                message["headers"] = [*message.get("headers", ()), CLOSE]
            if start is not None:
                if self._is_whole(start, message):
                    self.send_whole(cycle, (start["status"], start["headers"], body, b""))
                    return
            elif b"content-length" in headers and b"connection" not in headers and has_body:
                held = message
                return
            elif scope["http_version"] == "1.0":
                # Its clients do not know chunks (RFC 9112, section 6.1): the answer ends with the
                # connection. uvicorn compares each piece with the remaining length.
                cycle.chunked_encoding = False
                cycle.expected_content_length = len(body)
            with self.sending(len(body)):
                if start is not None:
                    await send_on(start)
                await send_on(message)

        async def app_in_one_write(scope: Scope, receive: Receive, _: Send) -> None:
            await app(scope, receive, send)
            if held is not None:
                await send_on(held)

        super()._start_asgi_task(cycle, app_in_one_write)  # type: ignore[arg-type]

    def _is_whole(self, start: Message, message: Message) -> bool:
        """Return whether a message has the whole body, and the answer can be written now."""
        headers, length = start["headers"], b"%d" % len(message.get("body", b""))
        return not (
            message.get("more_body")
            or self.flow.write_paused
            or self.transport.is_closing()
            or (b"content-length", length) not in headers
            or HEADER_VALUE_RE.search(b"".join([value for _, value in headers]))
        )
