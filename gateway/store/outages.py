"""When to leave a failing cache alone, and what to say about it: one line each way."""

import logging
import time
from collections.abc import Callable

__all__ = ["Outages"]

logger = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Outages:
    """After a failure the cache is left alone, for longer each time until something works."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = _SHORTEST_PAUSE_S
        self._until = float("-inf")
        self.is_known = False
        """Whether there is trouble that has been told of."""

    @property
    def is_paused(self) -> bool:
        """Whether the cache is to be left alone now."""
        return self._clock() < self._until

    def failed(self, exc: Exception) -> bool:
        """Take note of a failure; its text may hold an address or a password.

        Tell whether it is the first of those that were under way together.
        """
        is_first = not self.is_paused
        if is_first:
            self._until = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if not self.is_known:
            self.is_known = True
            logger.warning(
                "The shared cache fails (%s): going on with memory and REST alone",
                type(exc).__name__,
            )
        return is_first

    def worked(self) -> None:
        """Take note that something was stored, which is what a full Redis refuses."""
        self._pause_s = _SHORTEST_PAUSE_S
        if self.is_known:
            self.is_known = False
            logger.info("The shared cache works again")
