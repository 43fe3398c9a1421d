"""The demo's time, the same in every test run."""

import time
from collections.abc import Callable

A_MOMENT = 1_790_000_000.0


def fast_clock(speed: float = 10) -> Callable[[], float]:
    """Return a clock for the demo that starts at `A_MOMENT` and runs at `speed` times real time."""
    started = time.monotonic()
    return lambda: A_MOMENT + speed * (time.monotonic() - started)
