"""Streams the answers to an operation in one HTTP response: server-sent events, or a multipart.

Sources: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections
mode; https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.schema.engine import Answer, refusal
from gateway.schema.error_codes import masked
from gateway.store.single_flight import cancel_all
from gateway.web.inbound import Inbound
from gateway.web.respond.caching import VARY

HEARTBEAT_S = 15.0
_LONGEST_ASCII = 2**19  # bytes, some 8 ms; 12 of quotes alone

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": VARY}
"""They keep caches from storing a stream, and proxies from buffering it."""


def _ascii(content: object) -> bytes:
    """Return JSON in ASCII, unless it is so long that the event loop would have to wait.

    Apollo Client 3 and urql 5 break characters that come in two reads.
    """
    text = orjson.dumps(content)
    if text.isascii() or len(text) > _LONGEST_ASCII:
        return text
    # As one JSON string, whose other escapes are undone: to parse the JSON takes ten times as long.
    escaped = json.dumps(text.decode())[1:-1].encode().replace(rb"\\", b"\0")
    return escaped.replace(rb"\"", b'"').replace(b"\0", b"\\")


class AnswerStream(StreamingResponse, ABC):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the final frame is not sent, so that clients reconnect. `note` is called with
    each answer before it is written; `slots` are released at the end. Each format is a subclass.
    """

    content_type: str
    start = b""
    heartbeat: bytes
    end: bytes

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        *,
        note: Callable[[Answer], None],
        inbound: Inbound,
        slots: ExitStack,
    ) -> None:
        super().__init__((), headers={"Content-Type": self.content_type, **_HEADERS})
        self._answers, self._note, self._inbound = answers, note, inbound
        self._sending = asyncio.Lock()
        self._slots = slots

    @abstractmethod
    def part(self, answer: Answer) -> bytes:
        """Write an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answers."""
        ending = asyncio.Event()
        self._inbound.on_ending = ending.set
        if self._inbound.is_ending:
            ending.set()
        streaming = asyncio.ensure_future(self.stream_response(send))
        tasks = [
            streaming,
            asyncio.ensure_future(self._send_heartbeats(send)),
            asyncio.ensure_future(self.listen_for_disconnect(receive)),
            asyncio.ensure_future(ending.wait()),
        ]
        with self._slots:
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_all(tasks)
        if not streaming.cancelled():
            streaming.result()  # raises what it raised
        elif ending.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def stream_response(self, send: Send) -> None:
        """Send the head and all parts."""
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        if self.start:
            await self._send(send, self.start)
        try:
            async with aclosing(self._answers):
                async for answer in self._answers:
                    part = self._noted(answer)
                    del answer
                    await self._send(send, part)
                    del part  # it is large, and thousands of streams wait for the next one
        except Exception as exc:  # noqa: BLE001  the last handler: anything else is our bug
            await self._send(send, self._noted(refusal(masked(exc))))
        await self._send(send, self.end)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _noted(self, answer: Answer) -> bytes:
        self._note(answer)
        return self.part(answer)

    async def _send_heartbeats(self, send: Send) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._send(send, self.heartbeat)

    async def _send(self, send: Send, part: bytes) -> None:
        async with self._sending:  # a long part is sent in pieces: no heartbeat between them
            await send({"type": "http.response.body", "body": part, "more_body": True})


class EventStream(AnswerStream):
    """Server-sent events."""

    content_type = "text/event-stream"
    heartbeat = b": ping\n\n"
    end = b"event: complete\ndata: \n\n"

    def part(self, answer: Answer) -> bytes:
        """Write an event; its lines end with LF, the only line end that urql recognizes."""
        return b"event: next\ndata: %b\n\n" % _ascii(answer.content)


def _framed(content: Mapping[str, object]) -> bytes:
    # The next boundary follows at once: clients handle a part only when they have read that.
    # Lower case, as in Apollo's router: Apollo iOS before 1.16 knows no other.
    return b"\r\ncontent-type: application/json\r\n\r\n%b\r\n--graphql" % _ascii(content)


class MultipartStream(AnswerStream):
    """A multipart in the format of Apollo's clients."""

    content_type = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    start = b"\r\n--graphql"
    heartbeat = _framed({})
    end = b"--\r\n"

    def part(self, answer: Answer) -> bytes:
        """Write a part; an error that ends the stream stands beside the payload."""
        if answer.is_refusal:
            return _framed({"payload": None, "errors": answer.body["errors"]})
        return _framed({"payload": answer.content})
