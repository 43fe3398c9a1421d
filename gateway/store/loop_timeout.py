"""A timeout that does not count the time in which this process itself is slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TICK_S = 0.0125


@asynccontextmanager
async def loop_timeout(limit_s: float) -> AsyncIterator[None]:
    """Give the body `limit_s` seconds, counting 12.5 ms at most for a turn of the event loop.

    In a burst of requests each turn takes long, and it takes several turns to read a response: by
    the clock, a peer that responds at once would seem slow.

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
