"""The demo's time, the same in every run of the tests."""

import time
from collections.abc import Callable

A_MOMENT = 1_790_000_000.0


def fast_clock(speed: float = 10) -> Callable[[], float]:
    """Return a clock for the demo that starts at `A_MOMENT`, and runs faster than ours."""
    started = time.monotonic()
    return lambda: A_MOMENT + speed * (time.monotonic() - started)
