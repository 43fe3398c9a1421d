"""A clock and a cached object for the tests of caching."""

from dataclasses import dataclass


@dataclass
class Clock:
    """A clock that stands still until `advance`."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True)
class Thing:
    """An object to cache, with a size."""

    size_bytes: int = 10
