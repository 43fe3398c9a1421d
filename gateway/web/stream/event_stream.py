"""GraphQL over server-sent events: a subscription's answers as one long HTTP answer.

Source of the rules: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct
connections mode.
"""

import asyncio
from contextlib import ExitStack
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import SSETransport

__all__ = ["END_STREAM", "EVENT_STREAM", "EventStream", "Events"]

EVENT_STREAM = "text/event-stream"
END_STREAM = "gateway.end_stream"
"""In the scope of a request that is answered by a stream: a function that ends the stream."""


class Events(SSETransport):
    """Writes events with a line feed at the end of a line: urql knows no other, and all know it."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        """Write an event; `data` is one line."""
        return super().encode_event(event, data).replace("\r\n", "\n")

    def encode_comment(self, comment: str) -> str:
        """Write what clients skip."""
        return super().encode_comment(comment).replace("\r\n", "\n")


class EventStream(StreamingResponse):
    """Streams until the events are over, the client leaves, or the server has to stop.

    In the last case the answer ends without the event `complete`, so that clients come back.
    """

    def __init__(self, *args: Any, counted: ExitStack, **more: Any) -> None:
        super().__init__(*args, **more)
        self._counted = counted
        self._is_ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        scope[END_STREAM] = self._is_ending.set
        with self._counted:
            await super().__call__(scope, receive, send)
        if self._is_ending.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Wait until the client has left, or the server has to stop."""
        waits = [
            asyncio.ensure_future(super().listen_for_disconnect(receive)),
            asyncio.ensure_future(self._is_ending.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
