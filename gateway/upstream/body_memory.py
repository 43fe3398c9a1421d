"""The memory of SuperOffice's bodies, from their first byte until they are decoded and stored."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

BODIES_BYTES = 32 * 2**20
"""The most bytes of all bodies at a time; one more body, of any accepted size, always fits."""

_FREE_BYTES = 2**18


class BodyMemory:
    """Limits the bodies that are read or decoded at the same time; past it, reading waits.

    A share may take as much as it leaves to others: one share half of the memory, each of two a
    third. Of the bodies for which this is not enough one is read at a time, without a limit: it
    ends, and frees memory. Freed memory goes to the share that holds the least.

    The first 256 KiB of a body are free, so that usual answers never wait for large ones.
    """

    def __init__(self, most_bytes: int = BODIES_BYTES) -> None:
        self.left_bytes = most_bytes
        self._held: Counter[str] = Counter()
        self.unlimited: _Body | None = None
        self._waiting: dict[asyncio.Future[None], tuple[_Body, int]] = {}

    @contextmanager
    def hold(self, share: str) -> Iterator[None]:
        """Count the body that is read in the block, until its end."""
        body = _Body(self, share)
        _BODY.set(body)  # for `make_room`, which is for REST calls alone
        try:
            yield
        finally:
            self._give_back(body)

    async def wait_for(self, body: "_Body", size_bytes: int, on_wait: Callable[[], object]) -> None:
        """Count bytes of a body; wait first if there is no room for them."""
        if self._has_counted(body, size_bytes):
            return
        on_wait()
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = body, size_bytes
        try:
            await turn
        finally:
            del self._waiting[turn]

    def _has_counted(self, body: "_Body", size_bytes: int) -> bool:
        if self._held[body.share] + size_bytes <= self.left_bytes - size_bytes:
            self.left_bytes -= size_bytes
            self._held[body.share] += size_bytes
            body.counted_bytes += size_bytes
            return True
        self.unlimited = self.unlimited or body
        return self.unlimited is body

    def _give_back(self, body: "_Body") -> None:
        self.left_bytes += body.counted_bytes
        self._held[body.share] -= body.counted_bytes
        if not self._held[body.share]:
            del self._held[body.share]
        if self.unlimited is body:
            self.unlimited = None
        in_turn = sorted(self._waiting.items(), key=lambda item: self._held[item[1][0].share])
        for turn, (waiting, size_bytes) in in_turn:
            if not turn.done() and self._has_counted(waiting, size_bytes):
                turn.set_result(None)


@dataclass(slots=True, eq=False)
class _Body:
    memory: BodyMemory
    share: str
    size_bytes: int = 0
    counted_bytes: int = 0


_BODY: ContextVar[_Body | None] = ContextVar("body", default=None)


async def make_room(size_bytes: int, on_wait: Callable[[], object]) -> None:
    """Count bytes of the REST call's body; wait first if there is no room for them."""
    if body := _BODY.get():
        body.size_bytes += size_bytes
        if body.size_bytes > _FREE_BYTES:
            await body.memory.wait_for(body, size_bytes, on_wait)
