"""A timeout that does not count the time in which this process itself is slow."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_TICK_S = 0.0125


@asynccontextmanager
async def loop_timeout(
    limit_s: float, *, most_s: float = math.inf
) -> AsyncIterator[Callable[[], None]]:
    """Give the body `limit_s` seconds, counting 12.5 ms at most for a turn of the event loop.

    In a burst of requests each turn takes long, and it takes several turns to read a response: by
    the clock, a peer that responds at once would seem slow. Yields a function that starts the
    timeout again, but for `most_s` in all.

    Raises:
        TimeoutError: it took longer.
    """
    loop = asyncio.get_running_loop()
    ticking: asyncio.TimerHandle
    left_s, all_s = limit_s, most_s
    async with asyncio.timeout(None) as timeout:

        def restart() -> None:
            nonlocal left_s
            left_s = limit_s

        def tick() -> None:
            nonlocal ticking, left_s, all_s
            left_s -= _TICK_S
            all_s -= _TICK_S
            if min(left_s, all_s) > 0:
                ticking = loop.call_later(_TICK_S, tick)
            else:
                timeout.reschedule(loop.time())

        ticking = loop.call_later(_TICK_S, tick)
        try:
            yield restart
        finally:
            ticking.cancel()
