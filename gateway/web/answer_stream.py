"""Streams the answers to an operation in one HTTP response: server-sent events, or a multipart.

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

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": VARY}
"""They keep caches from storing a stream, and proxies from buffering it."""


class AnswerStream(StreamingResponse, ABC):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the final frame is not sent, so that clients reconnect. `note` is called with
    each answer before it is written; `slots` are released at the end. Each format is a subclass.
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
        super().__init__(self._answers, headers={"Content-Type": self.content_type, **_HEADERS})
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
            # Starlette leaves it suspended when a client disconnects; its tasks would run on.
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
        except Exception as exc:  # noqa: BLE001  the last handler: anything else is our bug
            answer = refusal(masked(exc))
            note(answer)
            yield self.part(answer)
        yield self.end


class EventStream(AnswerStream):
    """Server-sent events."""

    content_type = "text/event-stream"
    heartbeat = ": ping\n\n"
    end = "event: complete\ndata: \n\n"

    def part(self, answer: Answer) -> str:
        """Write an event; its lines end with LF, the only line end that urql recognizes."""
        return f"event: next\ndata: {orjson.dumps(answer.content).decode()}\n\n"


def _framed(content: Mapping[str, object]) -> str:
    # The next boundary follows at once: clients handle a part only when they have read that.
    json = orjson.dumps(content).decode()
    return f"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql"


class MultipartStream(AnswerStream):
    """A multipart in the format of Apollo's clients."""

    content_type = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    start = "\r\n--graphql"
    heartbeat = _framed({})
    end = "--\r\n"

    def part(self, answer: Answer) -> str:
        """Write a part; an error that ends the stream stands beside the payload."""
        if answer.is_refusal:
            return _framed({"payload": None, "errors": answer.body["errors"]})
        return _framed({"payload": answer.content})
