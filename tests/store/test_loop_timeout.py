"""A time limit: what counts for it, and what does not."""

import asyncio
import time

import pytest

from gateway.store.loop_timeout import loop_timeout


async def test_who_is_in_time_is_let_be() -> None:
    """Then, and later."""
    async with loop_timeout(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)


async def test_who_is_late_is_given_up() -> None:
    """With the exception that `asyncio.timeout` raises."""
    with pytest.raises(TimeoutError):
        async with loop_timeout(0.02):
            await asyncio.Event().wait()


async def test_a_busy_event_loop_is_nobody_elses_fault() -> None:
    """Six turns of 30 ms are more than 100 ms, and no more than six ticks of them."""
    async with loop_timeout(0.1):
        for _ in range(6):
            time.sleep(0.03)  # noqa: ASYNC251  that is the point
            await asyncio.sleep(0)


async def test_what_goes_on_is_let_be_for_a_while() -> None:
    """Each sign of life starts the time again; in all it is bounded."""
    signs = 0
    with pytest.raises(TimeoutError):
        async with loop_timeout(0.03, most_s=0.1) as restart:
            while signs < 1_000:
                await asyncio.sleep(0.01)
                restart()
                signs += 1
    assert signs > 2
