"""The wait times of watchers between polls of the REST API."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

_SLOWER = 1.5
_QUIET_INTERVALS = 3
LONGEST_AFTER_FAILURE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Rhythm:
    """The poll intervals that all watchers of a tenant share."""

    interval_s: float
    """The interval while chats change."""

    slowest_s: float = 60.0
    """The longest interval while nothing changes and SuperOffice notifies us of changes."""

    is_notified: bool = False
    """Whether SuperOffice notifies us of changes: from a notification to a change without one."""

    jitter: Callable[[float, float], float] = random.uniform

    @property
    def quiet_s(self) -> float:
        """The longest interval without failures."""
        quiet_s = math.inf if self.is_notified else _QUIET_INTERVALS * self.interval_s
        return max(self.interval_s, min(quiet_s, self.slowest_s))


@dataclass(slots=True)
class Pace:
    """The wait times of one watcher: longer while nothing changes and while SuperOffice fails."""

    rhythm: Rhythm
    _wait_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)

    def after_success(self, *, has_changed: bool) -> float:
        """Return the seconds to wait after a poll; more after each poll without changes."""
        self._failures = 0
        interval_s = self.rhythm.interval_s
        slower_s = min(max(self._wait_s, interval_s) * _SLOWER, self.rhythm.quiet_s)
        wait_s = self._wait_s = interval_s if has_changed else slower_s
        # Never shorter: the documentation promises at most one REST call per interval.
        return self.rhythm.jitter(wait_s, wait_s * 1.1)

    def after_failure(self, waited_s: float = 0.0, *, is_repeated: bool = True) -> float:
        """Return the seconds to wait after a poll that failed; more after each repeated one.

        `waited_s` have passed already, as SuperOffice's Retry-After asked. Both together are at
        most `LONGEST_AFTER_FAILURE_S`, or `waited_s` and an interval if that is longer.
        """
        most_s = max(LONGEST_AFTER_FAILURE_S - waited_s, self.rhythm.interval_s)
        wait_s = min(self.rhythm.interval_s * 2**self._failures, most_s)
        self._failures = min(self._failures + is_repeated, 16)
        # Thousands of watchers must not retry in the same second.
        return self.rhythm.jitter(wait_s / 2, wait_s)
