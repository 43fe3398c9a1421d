"""The answers to an operation as one long HTTP answer: server-sent events, or a multipart.

Sources: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections
mode; https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from types import MappingProxyType

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import merge_stream_with_heartbeat

from gateway.schema.engine import Answer, refusal
from gateway.schema.error_codes import masked
from gateway.web.inbound import Inbound
from gateway.web.respond.caching import VARY

HEARTBEAT_S = 15.0

_NOT_KEPT = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Caches do not store a stream, and proxies do not hold its parts back."""


@dataclass(frozen=True, slots=True)
class Framing:
    """One way to write a stream."""

    headers: Mapping[str, str]
    start: str
    part: Callable[[Answer], str]
    heartbeat: str
    end: str


def _event(answer: Answer) -> str:
    # A line feed alone ends a line: urql knows no other, and all clients know it.
    return f"event: next\ndata: {orjson.dumps(answer.content).decode()}\n\n"


def _written(content: Mapping[str, object]) -> str:
    # With the boundary behind it: a client takes a part when the next one begins.
    json = orjson.dumps(content).decode()
    return f"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql"


def _part(answer: Answer) -> str:
    payload = None if answer.is_refusal else answer.content
    errors = {"errors": answer.body["errors"]} if answer.is_refusal else {}
    return _written({"payload": payload, **errors})


EVENTS = Framing(
    MappingProxyType({"Content-Type": "text/event-stream", **_NOT_KEPT}),
    start="",
    part=_event,
    heartbeat=": ping\n\n",
    end="event: complete\ndata: \n\n",
)
PARTS = Framing(
    MappingProxyType(
        {"Content-Type": "multipart/mixed;boundary=graphql;subscriptionSpec=1.0", **_NOT_KEPT}
    ),
    start="\r\n--graphql",
    part=_part,
    heartbeat=_written({}),
    end="--\r\n",
)


class AnswerStream(StreamingResponse):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the stream ends without the end of its framing, so that clients reconnect.
    `note` is called with each answer before it is written; `slots` are released at the end.
    """

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        framing: Framing,
        *,
        note: Callable[[Answer], None],
        inbound: Inbound,
        slots: ExitStack,
    ) -> None:
        parts = merge_stream_with_heartbeat(
            lambda: _parts(answers, framing, note),
            lambda: framing.heartbeat,
            interval=HEARTBEAT_S,
            send_initial_heartbeat=False,
        )
        super().__init__(parts(), headers={**framing.headers, "Vary": VARY})
        self._inbound = inbound
        self._slots = slots
        self._is_ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        self._inbound.end_stream = self._is_ending.set
        with self._slots:
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
    answers: AsyncGenerator[Answer, None], framing: Framing, note: Callable[[Answer], None]
) -> AsyncGenerator[str, None]:
    if framing.start:
        yield framing.start
    try:
        async with aclosing(answers):
            async for answer in answers:
                note(answer)
                yield framing.part(answer)
                del answer
    except Exception as exc:  # noqa: BLE001  the edge: anything else is a bug of ours
        answer = refusal(masked(exc))
        note(answer)
        yield framing.part(answer)
    yield framing.end
