"""Batches: commands that are added during a round trip are sent together in the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context

from gateway.store.commands import Argument, Command, Reply, Script

Sender = Callable[[Sequence[Command]], Awaitable[Sequence[Reply]]]


class Batches:
    """Sends commands in their order, up to `most` in a round trip, one round trip at a time.

    Under load fewer round trips do the same work. `send` returns a reply for each command, and
    raises nothing.
    """

    def __init__(self, send: Sender, *, most: int) -> None:
        self._send = send
        self._most = most
        self._waiting: deque[tuple[Command, asyncio.Future[Reply]]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def add(self, script: Script, name: str, *arguments: Argument) -> "asyncio.Future[Reply]":
        """Send a command soon; its reply need not be awaited."""
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append((Command(script, name, arguments), reply))
        if self._sending is None:
            # A context of its own: it also sends the commands of other requests.
            self._sending = asyncio.create_task(self._send_all(), context=Context())
        return reply

    async def finish(self) -> None:
        """Wait until all commands are sent."""
        if self._sending is not None:
            await asyncio.wait((self._sending,))

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                count = min(self._most, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                replies = await self._send([command for command, _ in batch])
                for (_, future), reply in zip(batch, replies, strict=True):
                    if not future.done():  # not cancelled
                        future.set_result(reply)
        finally:
            self._sending = None
