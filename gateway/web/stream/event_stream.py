"""GraphQL over server-sent events: the answers to an operation as one long HTTP answer.

Source of the rules: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct
connections mode.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from strawberry.http.streaming import SSETransport, merge_stream_with_heartbeat

from gateway.schema.engine import Answer
from gateway.web.inbound import Inbound

HEARTBEAT_S = 15.0


class EventStream(StreamingResponse):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the stream ends without the event `complete`, so that clients reconnect.
    `prepare` returns what is sent of an answer; `held` is released at the end.
    """

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        prepare: Callable[[Answer], Mapping[str, Any]],
        *,
        inbound: Inbound,
        headers: Mapping[str, str],
        held: ExitStack,
    ) -> None:
        events = merge_stream_with_heartbeat(
            lambda: _events(answers, prepare),
            lambda: ": ping\n\n",
            interval=HEARTBEAT_S,
            send_initial_heartbeat=False,
        )
        super().__init__(events(), headers={**SSETransport.headers, **headers})
        self._inbound = inbound
        self._held = held
        self._is_ending = asyncio.Event()
        self._when_begun: Callable[[], object] = lambda: None

    def when_begun(self, call: Callable[[], object]) -> None:
        """Have `call` called when the first part is sent, or the stream ends before that."""
        self._when_begun = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""

        async def send_part(message: Message) -> None:
            if message["type"] == "http.response.body":
                self._when_begun()
            await send(message)

        self._inbound.end_stream = self._is_ending.set
        with self._held:
            try:
                await super().__call__(scope, receive, send_part)
            finally:
                self._when_begun()
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


async def _events(
    answers: AsyncGenerator[Answer, None], prepare: Callable[[Answer], Mapping[str, Any]]
) -> AsyncGenerator[str, None]:
    # A line feed alone ends a line: urql knows no other, and all clients know it.
    async with aclosing(answers):
        async for answer in answers:
            yield f"event: next\ndata: {orjson.dumps(prepare(answer)).decode()}\n\n"
    yield "event: complete\ndata: \n\n"
