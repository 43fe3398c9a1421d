"""How long to wait until REST is looked at again."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["LONGEST_AFTER_FAILURE_S", "Pace", "Rhythm"]

_SLOWER = 1.5
_QUIET_INTERVALS = 3
LONGEST_AFTER_FAILURE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Rhythm:
    """What all watchers of a process have in common."""

    interval_s: float
    """Between two looks while chats change."""

    slowest_s: float = 60.0
    """The same while they do not, and REST would tell."""

    is_told: bool = False
    """Whether REST tells of changes by itself: as long as it never did, nobody relies on it."""

    jitter: Callable[[float, float], float] = random.uniform

    @property
    def quiet_s(self) -> float:
        """The longest wait while nothing goes wrong."""
        slowest_s = self.slowest_s if self.is_told else _QUIET_INTERVALS * self.interval_s
        return max(self.interval_s, min(slowest_s, self.slowest_s))


@dataclass(slots=True)
class Pace:
    """One watcher's: slower while nothing changes, and while REST is in trouble."""

    rhythm: Rhythm
    _wait_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)

    def after_change(self) -> float:
        """Return the seconds to wait when something was new."""
        self._failures = 0
        self._wait_s = self.rhythm.interval_s
        return self._spread(self._wait_s)

    def after_quiet(self) -> float:
        """Return the seconds to wait when all was as before."""
        self._failures = 0
        self._wait_s = min(max(self._wait_s, self.rhythm.interval_s) * _SLOWER, self.rhythm.quiet_s)
        return self._spread(self._wait_s)

    def after_failure(self) -> float:
        """Return the seconds to wait when REST gave nothing."""
        most_s = max(LONGEST_AFTER_FAILURE_S, self.rhythm.interval_s)
        wait_s = min(self.rhythm.interval_s * 2**self._failures, most_s)
        self._failures = min(self._failures + 1, 16)
        # Thousands of watchers must not come back in the same second.
        return self.rhythm.jitter(wait_s / 2, wait_s)

    def _spread(self, wait_s: float) -> float:
        # Never shorter: one REST call for each interval is what was promised.
        return self.rhythm.jitter(wait_s, wait_s * 1.1)
