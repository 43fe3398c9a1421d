"""A limit on concurrent REST calls, with a bounded and fair queue."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.caller import NETWORK, STRANGERS
from gateway.errors import UpstreamUnavailableError

_RESERVED_PART = 8
_REFUSAL = "Too many calls wait for SuperOffice in this gateway."

_Turn = asyncio.Future[None]


class Gate:
    """Admits `slots` calls at a time; `queue` more may wait.

    Each caller has a share of the slots and of the places in the queue. A free slot goes to the
    share that holds the fewest; equals take turns, and a share's oldest call goes first. If the
    queue is full, the share with the most places loses its newest. An eighth of the slots is for
    shares that hold none, so that these need not wait until a slow call ends.

    All unauthenticated clients have one share, `STRANGERS`. In it, networks share in the same way.
    The newest call of a network goes first, and the oldest loses its place, so that a flood does
    not keep a newcomer waiting.
    """

    def __init__(self, *, slots: int, queue: int, refusal: str = _REFUSAL) -> None:
        self._slots = slots
        self._reserved = slots // _RESERVED_PART
        self._max_waiting = queue
        self._refusal = refusal
        self._held: Counter[str | tuple[str, str]] = Counter()
        """The slots of each share, and of each network in a share."""

        self._queues: dict[str, dict[str, dict[_Turn, None]]] = {}
        """The waiting calls, the oldest first, by share and network."""

        self.busy = 0
        self.waiting = 0

    def may_have(self, share: str) -> bool:
        """Return whether a share would get a slot at once."""
        reserved = self._reserved if self._held[share] else 0
        return self.busy < self._slots - reserved

    @asynccontextmanager
    async def slot(self, share: str) -> AsyncIterator[bool]:
        """Hold a slot in the block; wait for one first if none is free; yield whether it was.

        Raises:
            UpstreamUnavailableError: the queue is full.
        """
        network = NETWORK.get() if share == STRANGERS else ""
        # A slot that is free while calls wait is reserved, and not for them: none is overtaken.
        if is_free := self.may_have(share):
            self._count(share, network, 1)
        else:
            await self._wait(share, network)
        try:
            yield is_free
        finally:
            self._give_back(share, network)

    def _count(self, share: str, network: str, slots: int) -> None:
        self.busy += slots
        for holder in (share, (share, network)):
            self._held[holder] += slots
            if not self._held[holder]:
                del self._held[holder]

    def _give_back(self, share: str, network: str) -> None:
        self._count(share, network, -1)
        self._hand_on()

    async def _wait(self, share: str, network: str) -> None:
        if self.waiting >= self._max_waiting:
            self._make_room(share, network)
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(share, {}).setdefault(network, {})[turn] = None
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(share, network, turn)
            elif turn.exception() is None:  # it holds a slot already
                self._give_back(share, network)
            raise

    def _make_room(self, share: str, newest: str) -> None:
        waiting = {name: sum(map(len, queues.values())) for name, queues in self._queues.items()}
        longest = max(waiting, key=waiting.__getitem__, default=share)
        error = UpstreamUnavailableError(self._refusal, retry_after_s=1, call_was_made=False)
        mine, most = (waiting.get(name, 0) for name in (share, longest))
        replaces_own = mine and share == longest == STRANGERS
        if most <= mine + 1 and not replaces_own:  # the shares would only change places
            raise error
        queues = self._queues[longest]
        network = max(queues, key=lambda name: len(queues[name]) + (name == newest))
        calls = queues[network]
        turn = next(iter(calls) if longest == STRANGERS else reversed(calls))
        self._leave(longest, network, turn)
        if not turn.done():  # not cancelled
            turn.set_exception(error)

    def _leave(self, share: str, network: str, turn: _Turn) -> None:
        # Its queues move behind the others: among equals they take turns.
        queues = self._queues.get(share, {})
        calls = queues.get(network, {})
        if turn in calls:
            del calls[turn], queues[network], self._queues[share]
            if calls:
                queues[network] = calls
            if queues:
                self._queues[share] = queues
            self.waiting -= 1

    def _hand_on(self) -> None:
        # The slot goes straight to the next share, so that no new call overtakes it.
        while self._queues:
            share = min(self._queues, key=self._held.__getitem__)
            if not self.may_have(share):
                return
            queues = self._queues[share]
            network = min(queues, key=lambda name: self._held[share, name])
            calls = queues[network]
            turn = next(reversed(calls) if share == STRANGERS else iter(calls))
            self._leave(share, network, turn)
            if not turn.done():  # not cancelled
                self._count(share, network, 1)
                turn.set_result(None)
                return
