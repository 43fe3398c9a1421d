"""At most so many REST calls at a time, and a bounded line of those that wait for their turn."""

import asyncio
from collections import deque

from gateway.errors import UpstreamNotCalledError


class Gate:
    """Lets `slots` calls through at a time; `queue` more may wait, the first come first served.

    `async with gate:` takes a slot and gives it back. Unlike `asyncio.Semaphore`, whose line has no
    end, it refuses those that would only wait in vain.
    """

    def __init__(self, *, slots: int, queue: int) -> None:
        self.busy = 0
        self._slots = slots
        self._queue = queue
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line)

    async def __aenter__(self) -> None:
        """Take a slot, or wait for one.

        Raises:
            UpstreamNotCalledError: the line is full.
        """
        if self.busy < self._slots:
            self.busy += 1
        else:
            await self._stand_in_line()

    async def __aexit__(self, *_: object) -> None:
        self._hand_on()

    async def _stand_in_line(self) -> None:
        if len(self._line) >= self._queue:
            message = "Too many calls wait for SuperOffice in this gateway."
            raise UpstreamNotCalledError(message, retry_after_s=1)
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot and the cancellation came together
                self._hand_on()
            raise
        finally:
            self._line.remove(turn)

    def _hand_on(self) -> None:
        # The slot goes straight to the next in line, so that nobody who comes now is faster.
        for turn in self._line:
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1
