"""Long work gives way: other requests run between its parts.

However many requests do such work, one part of it runs per turn of the event loop.
"""

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

STEPS_PER_TURN = 8_000
"""A step takes a quarter of a microsecond or so: reading a value, or comparing two."""

_Waiting = deque["asyncio.Future[None]"]
_WAITING: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()


class Turns:
    """Counts the steps that one request has taken since it last gave way."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0

    async def give(self, steps: int) -> None:
        """Count steps that were taken, and wait for the next turn after enough of them."""
        self.steps += steps
        if self.steps >= STEPS_PER_TURN:
            await next_turn()
            self.steps = 0


async def next_turn() -> None:
    """Wait until it is the turn of this one among all that do long work."""
    loop = asyncio.get_running_loop()
    waiting = _WAITING.setdefault(loop, deque())
    turn = loop.create_future()
    waiting.append(turn)
    if len(waiting) == 1:
        loop.call_soon(_resume_one, loop, waiting)
    await turn


def _resume_one(loop: asyncio.AbstractEventLoop, waiting: _Waiting) -> None:
    turn = waiting.popleft()
    if not turn.done():  # not cancelled
        turn.set_result(None)
    if waiting:
        loop.call_soon(_resume_one, loop, waiting)
