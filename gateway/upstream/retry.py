"""Decide whether a failed REST call is retried, and after which pause."""

import random
import time
from collections.abc import Callable

from gateway.errors import UpstreamError, UpstreamUnavailableError

_SHORTEST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.2

_PER_CALL = 0.2
_PER_SECOND = 10
_RESERVE_S = 10


class Retries:
    """Allows one retry after a temporary failure, within a budget.

    The budget is a share of the calls, and a reserve that refills with time: at low load a call
    always has its retry, and a SuperOffice that is down does not get twice the load. At first, and
    after ten quiet seconds, it holds a hundred, enough for a restart of SuperOffice that breaks all
    connections at once.
    Source: Finagle's RetryBudget (20 % of calls, ten a second, kept for ten seconds).
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._budget: float = _PER_SECOND * _RESERVE_S
        self._filled_at = clock()

    def note_call(self) -> None:
        """Count a call, which adds a part of a retry to the budget."""
        self._budget += _PER_CALL

    def pause_s(self, failure: UpstreamError, *, left_s: float) -> float | None:
        """Return the pause before the retry; None for no retry.

        The pause is random, so that callers do not retry in step, and is added to the Retry-After
        of SuperOffice.

        Args:
            failure: of the first attempt.
            left_s: the time until the deadline of the call.
        """
        # Not after its subclasses: an interrupted answer has cost SuperOffice the work. A call that
        # was not made must not be made now.
        if type(failure) is not UpstreamUnavailableError or not failure.call_was_made:
            return None
        jitter_s = random.uniform(_SHORTEST_PAUSE_S, LONGEST_PAUSE_S)  # noqa: S311  no secret
        pause_s = (failure.retry_after_s or 0) + jitter_s
        now, most = self._clock(), _PER_SECOND * _RESERVE_S
        self._budget = min(self._budget + (now - self._filled_at) * _PER_SECOND, most)
        self._filled_at = now
        if pause_s >= left_s or self._budget < 1:
            return None
        self._budget -= 1
        return pause_s
