"""Split long work into parts that yield to other requests.

However many requests do such work, the event loop has several iterations between any two parts.
Callers take turns, however many requests each has. A caller's requests are finished one after the
other, the newest first. A *stranger* is an unauthenticated client: one whose credentials
SuperOffice has not accepted yet. All strangers count as one caller, whose requests take turns too.
"""

import asyncio
from collections import deque
from contextvars import ContextVar
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from gateway.caller import STRANGERS

STEPS_PER_TURN = 8_000
"""A step takes a quarter of a microsecond or so: reading a value, or comparing two."""

_TURNS_FOR_OTHERS = 8
"""Iterations between two parts, about as many as an ordinary request takes, some µs each."""

_MOST_KNOWN = 10_000

_OWNER = ContextVar("owner", default="")
"""The owner of the credentials that this task works with, accepted or not."""

_KNOWN: LRUCache[str, bool] = LRUCache(_MOST_KNOWN)

_Waiting = dict[str, deque["asyncio.Future[None]"]]
"""The waiting parts, by share; the first share is next."""

_WAITING: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()


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
    """Counts the steps of one request since it last yielded.

    Work of fewer than `least` steps is not counted, and does not wait.
    """

    __slots__ = ("least", "steps")

    def __init__(self, least: int = 0) -> None:
        self.least = least
        self.steps = 0

    async def spend(self, steps: int) -> None:
        """Count steps that were taken; after enough of them, yield and wait for the next turn."""
        if steps < self.least:
            return
        self.steps += steps
        if self.steps >= STEPS_PER_TURN:
            await next_turn()
            self.steps = 0


EVENTS, REQUESTS = Turns(), Turns(least=200)
"""The steps of all subscriptions, and those of reading all requests: one event or request takes
few, but there may be thousands at once. 200 steps are a tenth of what any request takes."""


async def next_turn() -> None:
    """Yield to other requests, and wait for this task's turn among those with long work."""
    loop = asyncio.get_running_loop()
    waiting = _WAITING.setdefault(loop, {})
    turn = loop.create_future()
    if not waiting:
        loop.call_soon(_resume_one, loop, waiting, _TURNS_FOR_OTHERS)
    share = share_of(_OWNER.get())
    turns = waiting.setdefault(share, deque())
    if share == STRANGERS:
        turns.append(turn)
    else:  # first: half-made answers take memory
        turns.appendleft(turn)
    await turn


def _resume_one(loop: asyncio.AbstractEventLoop, waiting: _Waiting, turns_left: int) -> None:
    if turns_left:
        loop.call_soon(_resume_one, loop, waiting, turns_left - 1)
        return
    is_taken = False
    while waiting and not is_taken:
        share = next(iter(waiting))
        turns = waiting.pop(share)
        turn = turns.popleft()
        if turns:
            waiting[share] = turns  # behind the others
        if not turn.done():  # not cancelled
            turn.set_result(None)
            is_taken = True
    if waiting:
        loop.call_soon(_resume_one, loop, waiting, _TURNS_FOR_OTHERS)
