"""A time limit that is fair to others when this process itself is slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["patience"]

_TICK_S = 0.0125


@asynccontextmanager
async def patience(limit_s: float) -> AsyncIterator[None]:
    """Give the body `limit_s` seconds, of which a turn of the event loop takes 12.5 ms at most.

    Under a burst of requests each turn takes long, and what has to be done for an answer takes
    several turns: by the clock, whoever gave it at once would seem to be slow.

    Raises:
        TimeoutError: it took longer.
    """
    loop = asyncio.get_running_loop()
    ticking: asyncio.TimerHandle
    async with asyncio.timeout(None) as timeout:

        def tick(left_s: float) -> None:
            nonlocal ticking
            if left_s > 0:
                ticking = loop.call_later(_TICK_S, tick, left_s - _TICK_S)
            else:
                timeout.reschedule(loop.time())

        ticking = loop.call_later(_TICK_S, tick, limit_s - _TICK_S)
        try:
            yield
        finally:
            ticking.cancel()
