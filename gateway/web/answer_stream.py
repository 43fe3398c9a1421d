"""The answers to an operation as one long HTTP answer: server-sent events, or a multipart.

Sources: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections
mode; https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import merge_stream_with_heartbeat

from gateway.schema.engine import Answer, refusal
from gateway.schema.error_codes import masked
from gateway.web.inbound import Inbound
from gateway.web.respond.caching import VARY

HEARTBEAT_S = 15.0

_NOT_KEPT = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": VARY}
"""Caches do not store a stream, and proxies do not hold its parts back."""


class AnswerStream(StreamingResponse, ABC):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the stream ends without the end of its framing, so that clients reconnect.
    `note` is called with each answer before it is written; `slots` are released at the end. Each
    way to write a stream is a subclass.
    """

    content_type: str
    start = ""
    heartbeat: str
    end: str

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        *,
        note: Callable[[Answer], None],
        inbound: Inbound,
        slots: ExitStack,
    ) -> None:
        parts = merge_stream_with_heartbeat(
            lambda: self._parts(answers, note),
            lambda: self.heartbeat,
            interval=HEARTBEAT_S,
            send_initial_heartbeat=False,
        )
        self._answers = parts()
        super().__init__(self._answers, headers={"Content-Type": self.content_type, **_NOT_KEPT})
        self._inbound = inbound
        self._slots = slots
        self._is_ending = asyncio.Event()

    @abstractmethod
    def part(self, answer: Answer) -> str:
        """Write an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answers."""
        self._inbound.end_stream = self._is_ending.set
        with self._slots:
            # Starlette leaves it suspended where a client disconnects; its tasks would go on.
            async with aclosing(self._answers):
                await super().__call__(scope, receive, send)
        if self._is_ending.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Wait until the client has disconnected, or the server stops."""
        waits = [
            asyncio.ensure_future(super().listen_for_disconnect(receive)),
            asyncio.ensure_future(self._is_ending.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _parts(
        self, answers: AsyncGenerator[Answer, None], note: Callable[[Answer], None]
    ) -> AsyncGenerator[str, None]:
        if self.start:
            yield self.start
        try:
            async with aclosing(answers):
                async for answer in answers:
                    note(answer)
                    yield self.part(answer)
                    del answer
        except Exception as exc:  # noqa: BLE001  the edge: anything else is a bug of ours
            answer = refusal(masked(exc))
            note(answer)
            yield self.part(answer)
        yield self.end


class EventStream(AnswerStream):
    """As server-sent events."""

    content_type = "text/event-stream"
    heartbeat = ": ping\n\n"
    end = "event: complete\ndata: \n\n"

    def part(self, answer: Answer) -> str:
        """Write an event; a line feed alone ends a line, as urql knows no other end."""
        return f"event: next\ndata: {orjson.dumps(answer.content).decode()}\n\n"


def _written(content: Mapping[str, object]) -> str:
    # With the boundary behind it: a client takes a part when the next one begins.
    json = orjson.dumps(content).decode()
    return f"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql"


class MultipartStream(AnswerStream):
    """As the parts of a multipart, as Apollo's clients read them."""

    content_type = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    start = "\r\n--graphql"
    heartbeat = _written({})
    end = "--\r\n"

    def part(self, answer: Answer) -> str:
        """Write a part; what ends the stream has its errors beside the payload."""
        if answer.is_refusal:
            return _written({"payload": None, "errors": answer.body["errors"]})
        return _written({"payload": answer.content})
