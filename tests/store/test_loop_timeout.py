"""A timeout that counts turns of the event loop."""

import asyncio
import time

import pytest

from gateway.store.loop_timeout import loop_timeout


async def test_a_block_within_the_timeout_is_not_cancelled() -> None:
    """A block that ends in time is cancelled neither then nor later."""
    async with loop_timeout(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)


async def test_a_block_past_the_timeout_is_cancelled() -> None:
    """A late block raises TimeoutError, as with `asyncio.timeout`."""
    with pytest.raises(TimeoutError):
        async with loop_timeout(0.02):
            await asyncio.Event().wait()


async def test_a_busy_event_loop_does_not_cause_a_timeout() -> None:
    """Six turns of 30 ms count as six short ticks, not as 180 ms."""
    async with loop_timeout(0.1):
        for _ in range(6):
            time.sleep(0.03)  # noqa: ASYNC251  blocks on purpose
            await asyncio.sleep(0)


async def test_progress_restarts_the_timeout() -> None:
    """Each sign of progress restarts the timeout, up to a limit in total."""
    signs = 0
    with pytest.raises(TimeoutError):
        async with loop_timeout(0.03, most_s=0.1) as restart:
            while signs < 1_000:
                await asyncio.sleep(0.01)
                restart()
                signs += 1
    assert signs > 2
