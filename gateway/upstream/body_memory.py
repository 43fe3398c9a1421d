"""The memory of SuperOffice's bodies, from their first byte until they are decoded and stored."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

BODIES_BYTES = 32 * 2**20
"""The most bytes of all bodies at a time; one more body, of any accepted size, always fits."""

_FREE_BYTES = 2**18


class BodyMemory:
    """Limits the bodies that are read or decoded at the same time; past it, reading waits.

    The first 256 KiB of a body are free, so that usual answers never wait for large ones.
    """

    def __init__(self, most_bytes: int = BODIES_BYTES) -> None:
        self.left_bytes = most_bytes
        # When nothing is left, only the holder of this lock reads: it finishes, and frees memory.
        self.last = asyncio.Lock()

    def hold(self) -> "_Body":
        """Count the body that is read in the block of a `with`, until its end."""
        return _Body(self)


class _Body:
    def __init__(self, memory: BodyMemory) -> None:
        self.memory = memory
        self.size_bytes = self.counted_bytes = 0
        self.is_last = False

    def __enter__(self) -> None:
        _BODY.set(self)  # for `make_room`, which is for REST calls alone

    def __exit__(self, *_: object) -> None:
        self.memory.left_bytes += self.counted_bytes
        if self.is_last:
            self.memory.last.release()


_BODY: ContextVar[_Body | None] = ContextVar("body", default=None)


async def make_room(size_bytes: int, on_wait: Callable[[], object]) -> None:
    """Count bytes of the REST call's body; wait first if there is no room for them."""
    body = _BODY.get()
    if body is None or body.is_last:
        return
    body.size_bytes += size_bytes
    if body.size_bytes <= _FREE_BYTES:
        return
    memory = body.memory
    if size_bytes > memory.left_bytes:
        if memory.last.locked():
            on_wait()
        await memory.last.acquire()
        body.is_last = size_bytes > memory.left_bytes
        if body.is_last:
            return
        memory.last.release()
    memory.left_bytes -= size_bytes
    body.counted_bytes += size_bytes
