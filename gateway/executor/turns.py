"""Split long work into parts that yield to other requests.

However many requests do such work, the event loop has several iterations between any two parts.
Callers take turns, however many requests each has. A caller's requests are finished one after the
other, the newest first. A *stranger* is an unauthenticated client: one whose credentials
SuperOffice has not accepted yet. All strangers count as one caller, whose requests take turns too.

Short work is one part. Many requests with short work do not run in the same iteration either.
"""

import asyncio
from collections import deque
from contextvars import ContextVar
from typing import ClassVar
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from gateway.caller import STRANGERS

STEPS_PER_TURN = 8_000
"""A step takes a quarter of a microsecond or so: reading a value, or comparing two."""

_TURNS_FOR_OTHERS = 8
"""Iterations between two parts, about as many as an ordinary request takes, some µs each."""

_STEPS_PER_ITERATION = 2 * STEPS_PER_TURN
"""Those of short work: with fewer, it would be slow beside many requests that do not wait."""

_LEAST = 500
"""Work of fewer steps does not wait for other work: any request takes several times as long."""

_MOST_KNOWN = 10_000

_OWNER = ContextVar("owner", default="")
"""The owner of the credentials that this task works with, accepted or not."""

_KNOWN: LRUCache[str, bool] = LRUCache(_MOST_KNOWN)

_Waiting = dict[str, deque[tuple["asyncio.Future[None]", int]]]
"""The waiting parts and their steps, by share; the first share is next."""

_Queue = WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting]

_LONG, _SHORT = _Queue(), _Queue()
"""The parts of long work; and short work, the oldest first."""


def share_of(owner: str) -> str:
    """Return the name of a caller's share; `owner` is a digest of its login: see `Caller.owner`."""
    return owner if owner in _KNOWN else STRANGERS


def work_for(owner: str) -> None:
    """Count this task's long work in the share of a caller."""
    _OWNER.set(owner)


def claimed_owner() -> str:
    """Return the owner of this task's credentials, accepted or not; "" if it has none."""
    return _OWNER.get()


def is_known() -> bool:
    """Return whether this task works for a caller that SuperOffice has accepted."""
    return _OWNER.get() in _KNOWN


def accept(owner: str) -> None:
    """Treat a caller as known: SuperOffice has accepted its credentials."""
    if owner not in _KNOWN:
        _KNOWN[owner] = True
        work_for(owner)


class Turns:
    """Counts the steps of one request since it last yielded to others with long work."""

    steps = 0
    least = _LEAST
    """From so many steps on, the request waits in turn with other short work."""

    steps_of_all: ClassVar[int] = 0
    """The steps of all requests since some with short work were resumed, and those of these."""

    async def spend(self, steps: int) -> None:
        """Count steps, taken or to be taken; after enough of them, yield and wait for a turn."""
        self.steps += steps
        Turns.steps_of_all += steps
        if self.steps >= STEPS_PER_TURN:
            await next_turn()
            self.steps, self.least = 0, STEPS_PER_TURN  # long work is not short again
        elif self.steps >= self.least and Turns.steps_of_all >= _STEPS_PER_ITERATION:
            await _turn_in(_SHORT, self.steps - self.least + _LEAST, 0)
            self.least = self.steps + _LEAST


EVENTS = Turns()
"""The steps of all subscriptions: one event takes few, but there may be thousands at once."""

EVENTS.least = STEPS_PER_TURN  # they wait for each other alone


async def next_turn() -> None:
    """Yield to other requests, and wait for this task's turn among those with long work."""
    await _turn_in(_LONG, _STEPS_PER_ITERATION, _TURNS_FOR_OTHERS)  # alone


async def _turn_in(queue: _Queue, steps: int, for_others: int) -> None:
    loop = asyncio.get_running_loop()
    waiting = queue.setdefault(loop, {})
    turn = loop.create_future()
    if not waiting:
        loop.call_soon(_resume, loop, waiting, for_others, for_others)
    share = share_of(_OWNER.get())
    turns = waiting.setdefault(share, deque())
    if queue is _SHORT or share == STRANGERS:
        turns.append((turn, steps))
    else:  # first: half-made answers take memory, and events of subscriptions may take long
        turns.appendleft((turn, steps))
    await turn


def _resume(loop: asyncio.AbstractEventLoop, waiting: _Waiting, for_others: int, left: int) -> None:
    if left:
        loop.call_soon(_resume, loop, waiting, for_others, left - 1)
        return
    steps_left = _STEPS_PER_ITERATION
    while waiting and steps_left > 0:
        share = next(iter(waiting))
        turns = waiting.pop(share)
        turn, steps = turns.popleft()
        if turns:
            waiting[share] = turns  # behind the others
        if not turn.done():  # not cancelled
            turn.set_result(None)
            steps_left -= steps
    if not for_others:
        Turns.steps_of_all = _STEPS_PER_ITERATION - steps_left
    if waiting:
        loop.call_soon(_resume, loop, waiting, for_others, for_others)
