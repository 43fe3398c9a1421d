"""Long work gives way: other requests run between its parts.

However many requests do such work, the event loop turns several times between any two parts.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

import orjson

STEPS_PER_TURN = 8_000
"""A step takes a quarter of a microsecond or so: reading a value, or comparing two."""

_TURNS_FOR_OTHERS = 8
"""Between two parts: about as many as an ordinary request takes, of some microseconds each."""

_MOST_STEPS_AS_LISTS = 100_000

_Waiting = deque["asyncio.Future[None]"]
_WAITING: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()


class Turns:
    """Counts the steps of one request: those since it last gave way, and those in long lists."""

    __slots__ = ("in_lists", "steps")

    def __init__(self) -> None:
        self.steps = self.in_lists = 0

    async def give(self, steps: int) -> None:
        """Count steps that were taken, and wait for the next turn after enough of them."""
        self.steps += steps
        if self.steps >= STEPS_PER_TURN:
            await next_turn()
            self.steps = 0


async def in_turns(
    make: Callable[[int, int], Awaitable[list[object]]], length: int, steps: int, turns: Turns
) -> list[object] | orjson.Fragment:
    """Make a long list in parts; `make` gets the bounds of one, and an item takes `steps`.

    After many steps lists are returned as JSON, because encoding them takes long too.
    """
    size = max(1, STEPS_PER_TURN // 2 // steps)
    turns.in_lists += length * steps
    is_encoded = turns.in_lists > _MOST_STEPS_AS_LISTS
    items: list[object] = []
    texts: list[bytes] = []
    for start in range(0, length, size):
        await turns.give(0)  # other fields of the operation may have used this one
        part = await make(start, start + size)
        turns.steps += len(part) * steps
        if is_encoded:
            texts.append(orjson.dumps(part)[1:-1])
        else:
            items += part
    return orjson.Fragment(b"[" + b",".join(texts) + b"]") if is_encoded else items


async def next_turn() -> None:
    """Wait until it is the turn of this one among all that do long work."""
    loop = asyncio.get_running_loop()
    waiting = _WAITING.setdefault(loop, deque())
    turn = loop.create_future()
    waiting.append(turn)
    if len(waiting) == 1:
        loop.call_soon(_resume_one, loop, waiting, _TURNS_FOR_OTHERS)
    await turn


def _resume_one(loop: asyncio.AbstractEventLoop, waiting: _Waiting, turns_left: int) -> None:
    if turns_left:
        loop.call_soon(_resume_one, loop, waiting, turns_left - 1)
        return
    turn = waiting.popleft()
    if not turn.done():  # not cancelled
        turn.set_result(None)
    if waiting:
        loop.call_soon(_resume_one, loop, waiting, _TURNS_FOR_OTHERS)
