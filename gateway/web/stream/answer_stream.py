"""The answers to an operation as one long HTTP answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from strawberry.http.streaming import merge_stream_with_heartbeat

from gateway.schema.engine import Answer
from gateway.web.inbound import Inbound
from gateway.web.respond.caching import VARY
from gateway.web.stream.framing import Framing

HEARTBEAT_S = 15.0


class AnswerStream(StreamingResponse):
    """Streams until the answers end, the client disconnects, or the server stops.

    In the last case the stream ends without the end of its framing, so that clients reconnect.
    `sent` is called with each answer before it is written; `held` is released at the end.
    """

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        framing: Framing,
        *,
        sent: Callable[[Answer], None],
        inbound: Inbound,
        held: ExitStack,
    ) -> None:
        parts = merge_stream_with_heartbeat(
            lambda: _parts(answers, framing, sent),
            lambda: framing.heartbeat,
            interval=HEARTBEAT_S,
            send_initial_heartbeat=False,
        )
        super().__init__(parts(), headers={**framing.headers, "Vary": VARY})
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


async def _parts(
    answers: AsyncGenerator[Answer, None], framing: Framing, sent: Callable[[Answer], None]
) -> AsyncGenerator[str, None]:
    if framing.start:
        yield framing.start
    async with aclosing(answers):
        async for answer in answers:
            sent(answer)
            yield framing.part(answer)
    yield framing.end
