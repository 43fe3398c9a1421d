"""Wait for conditions that become true without the test's help."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 10


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as a condition holds."""
    for _ in range(PATIENCE_S * 500):
        if holds():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("the condition never held")  # pragma: no cover - only when it is broken


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


@contextmanager
def counted_turns() -> Iterator[Callable[[], int]]:
    """Count how often another task gets its turn in the block; yield a function with the count."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    yield lambda: turns
    counting.cancel()


def until_soon(holds: Callable[[], object], patience_s: int = PATIENCE_S) -> None:
    """Return as soon as a condition holds, outside an event loop."""
    for _ in range(patience_s * 100):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("the condition never held")  # pragma: no cover - only when it is broken
