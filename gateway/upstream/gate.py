"""A limit of concurrent REST calls, with a bounded queue."""

import asyncio
from collections import deque

from gateway.errors import UpstreamNotCalledError


class Gate:
    """Admits `slots` calls at a time; `queue` more may wait, first in, first out.

    `async with gate:` takes a slot and gives it back. Unlike the queue of `asyncio.Semaphore`, this
    one has a bound.
    """

    def __init__(self, *, slots: int, queue: int) -> None:
        self.busy = 0
        self._slots = slots
        self._max_waiting = queue
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """The length of the queue."""
        return len(self._queue)

    async def __aenter__(self) -> None:
        """Take a slot, or wait for one.

        Raises:
            UpstreamNotCalledError: the queue is full.
        """
        if self.busy < self._slots:
            self.busy += 1
        else:
            await self._wait()

    async def __aexit__(self, *_: object) -> None:
        self._hand_on()

    async def _wait(self) -> None:
        if len(self._queue) >= self._max_waiting:
            message = "Too many calls wait for SuperOffice in this gateway."
            raise UpstreamNotCalledError(message, retry_after_s=1)
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it has the slot already
                self._hand_on()
            raise
        finally:
            self._queue.remove(turn)

    def _hand_on(self) -> None:
        # The slot goes straight to the next in the queue, so that no new call overtakes it.
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1
