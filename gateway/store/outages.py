"""When to leave a failing cache alone; its failure and its recovery are logged once each."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Outages:
    """After a failure the cache is not used for a pause, which doubles until a write succeeds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = _SHORTEST_PAUSE_S
        self._until = float("-inf")
        self.is_known = False
        """Whether there is an outage, which has been logged."""

    @property
    def is_paused(self) -> bool:
        """Whether the cache must not be used now."""
        return self._clock() < self._until

    def failed(self, exc: Exception) -> bool:
        """Record a failure; its text may hold an address or a password, and is not logged.

        Return whether it is the first of those that were in progress at the same time.
        """
        is_first = not self.is_paused
        if is_first:
            self._until = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if not self.is_known:
            self.is_known = True
            logger.warning(
                "The shared cache fails (%s): going on with memory and SuperOffice alone",
                type(exc).__name__,
            )
        return is_first

    def worked(self) -> None:
        """Record a successful write, which is what a full Redis refuses."""
        self._pause_s = _SHORTEST_PAUSE_S
        if self.is_known:
            self.is_known = False
            logger.info("The shared cache works again")
