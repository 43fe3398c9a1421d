"""What a check has found."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Target"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Literal["ok", "warn", "fail"]
    found: str
    advice: str | None = None
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is called."""

    url: str
    """What comes before `/api/v1`."""

    host: str
    port: int
    is_tls: bool
    timeout_s: float
    """To connect."""
