"""A limit on concurrent REST calls, with a bounded and fair queue."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.caller import STRANGERS
from gateway.errors import UpstreamNotCalledError

_RESERVED = 8


class Gate:
    """Admits `slots` calls at a time; `queue` more may wait.

    Slots and places in the queue are shared out by the name of the caller. A free slot goes to the
    caller that holds the fewest; equals take turns, and a caller's oldest call goes first. If the
    queue is full, the caller with the most places loses its newest. An eighth of the slots is for
    callers that hold none, so that these need not wait until a slow call ends.

    All unauthenticated clients share the name `STRANGERS`: its newest call goes first, and its
    oldest call loses its place, so that a flood does not keep a newcomer waiting.
    """

    def __init__(self, *, slots: int, queue: int) -> None:
        self._slots = slots
        self._reserved = slots // _RESERVED
        self._max_waiting = queue
        self._held: Counter[str] = Counter()
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self.busy = 0
        self.waiting = 0

    @asynccontextmanager
    async def slot(self, caller: str) -> AsyncIterator[None]:
        """Hold a slot in the block; wait for one first if none is free.

        Raises:
            UpstreamNotCalledError: the queue is full.
        """
        # A slot that is free while calls wait is reserved, and not for them: none is overtaken.
        if self._may_have(caller):
            self._take(caller)
        else:
            await self._wait(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    @property
    def has_known_waiting(self) -> bool:
        """Whether calls of authenticated clients wait."""
        return any(name != STRANGERS for name in self._queues)

    def _may_have(self, caller: str) -> bool:
        reserved = self._reserved if self._held[caller] else 0
        return self.busy < self._slots - reserved

    def _take(self, caller: str) -> None:
        self.busy += 1
        self._held[caller] += 1

    def _give_back(self, caller: str) -> None:
        self.busy -= 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._hand_on()

    async def _wait(self, caller: str) -> None:
        if self.waiting >= self._max_waiting:
            self._make_room(caller)
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(caller, turn)
            elif turn.exception() is None:  # it holds a slot already
                self._give_back(caller)
            raise

    def _make_room(self, caller: str) -> None:
        longest = max(self._queues, key=lambda name: len(self._queues[name]), default=caller)
        error = UpstreamNotCalledError(
            "Too many calls wait for SuperOffice in this gateway.", retry_after_s=1
        )
        are_strangers = longest == STRANGERS
        mine, most = (len(self._queues.get(name, ())) for name in (caller, longest))
        if most <= mine + 1 and not (are_strangers and caller == longest and mine):
            raise error
        turn = self._queues[longest][0 if are_strangers else -1]
        self._leave(longest, turn)
        if not turn.done():  # not cancelled
            turn.set_exception(error)

    def _leave(self, caller: str, turn: "asyncio.Future[None]") -> None:
        # Its queue moves behind the others: among equals they take turns.
        queue = self._queues.get(caller, deque())
        if turn in queue:
            queue.remove(turn)
            del self._queues[caller]
            if queue:
                self._queues[caller] = queue
            self.waiting -= 1

    def _hand_on(self) -> None:
        # The slot goes straight to the next caller, so that no new call overtakes it.
        while self._queues:
            caller = min(self._queues, key=self._held.__getitem__)
            if not self._may_have(caller):
                return
            turn = self._queues[caller][-1 if caller == STRANGERS else 0]
            self._leave(caller, turn)
            if not turn.done():  # not cancelled
                self._take(caller)
                turn.set_result(None)
                return
