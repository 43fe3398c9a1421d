"""The rate limit of each caller."""

import math
import time
from collections.abc import Callable

from cachetools import TLRUCache

from gateway.errors import UpstreamRateLimitedError

_MOST = 10_000


class CallerRate:
    """Refuses the requests of a caller past `per_second`, after a burst of one second.

    Source: the generic cell rate algorithm (ITU-T I.371).
    """

    def __init__(self, per_second: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = 1 / per_second
        self._clock = clock
        self._used_until: TLRUCache[str, float] = TLRUCache(
            _MOST, ttu=lambda _, until, __: until, timer=clock
        )

    def check(self, name: str) -> None:
        """Count a request of a caller.

        Raises:
            UpstreamRateLimitedError: the caller exceeds its rate.
        """
        now = self._clock()
        until = self._used_until.get(name, now) + self._interval_s
        if until - now > 1 + 1e-6:  # the burst, and rounding errors
            message = "This user sends too many requests; slow down."
            wait_s = math.ceil(until - now - 1)
            raise UpstreamRateLimitedError(message, retry_after_s=wait_s, call_was_made=False)
        self._used_until[name] = until
