"""What the tests of caching put in the place of time and of answers."""

from dataclasses import dataclass


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True)
class Thing:
    """Something to keep that says what it weighs."""

    size_bytes: int = 10
