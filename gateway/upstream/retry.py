"""When a REST call that failed is made again, and how long to wait before."""

import random
import time
from collections.abc import Callable

from gateway.errors import UpstreamError, UpstreamUnavailableError

__all__ = ["Retries"]

_SHORTEST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.2

_PER_CALL = 0.2
_PER_SECOND = 10
_RESERVE_S = 10


class Retries:
    """Allows one retry after a trouble that may pass, as far as the budget goes.

    The budget is a share of the calls, and a reserve that fills up with time: a caller in a quiet
    hour always has its retry, and a REST side that is down does not get twice the load. At first,
    and after ten quiet seconds, it holds a hundred, enough for a restart of REST that breaks all
    connections at once.
    Source: Finagle's RetryBudget (20 % of calls, ten a second, kept for ten seconds).
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.made = 0
        self._clock = clock
        self._budget: float = _PER_SECOND * _RESERVE_S
        self._filled_at = clock()

    def note_call(self) -> None:
        """Count a call, which pays for a part of a retry."""
        self._budget += _PER_CALL

    def pause_s(self, failure: UpstreamError, *, left_s: float) -> float | None:
        """Return how long to wait before the retry, or None if there is to be none.

        The pause is drawn, so that callers do not come back in step, and comes after the time that
        REST itself has asked for.

        Args:
            failure: what came of the first attempt.
            left_s: the time until the deadline of the call.
        """
        # None of the narrower errors: what was interrupted has been used, and what REST was spared
        # it is spared once more.
        if type(failure) is not UpstreamUnavailableError:
            return None
        jitter_s = random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)  # noqa: S311  no secret
        pause_s = (failure.retry_after_s or 0) + jitter_s
        return pause_s if pause_s < left_s and self._withdraw() else None

    def _withdraw(self) -> bool:
        now = self._clock()
        refill = (now - self._filled_at) * _PER_SECOND
        self._budget = min(self._budget + refill, _PER_SECOND * _RESERVE_S)
        self._filled_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        self.made += 1
        return True
