"""Clocks for tests: one that a test sets, and the demo's time, the same in every run."""

import time
from collections.abc import Callable
from dataclasses import dataclass

A_MOMENT = 1_790_000_000.0


@dataclass
class FakeClock:
    """A clock that stands still until `advance`."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def fast_clock(speed: float = 10) -> Callable[[], float]:
    """Return a clock for the demo that starts at `A_MOMENT` and runs at `speed` times real time."""
    started = time.monotonic()
    return lambda: A_MOMENT + speed * (time.monotonic() - started)
