"""What a check returns, and which server it checks."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    found: str
    advice: str | None = None
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that the gateway calls."""

    url: str
    """The part before `/api/v1`."""

    host: str
    port: int
    is_tls: bool
    timeout_s: float
    """To connect."""
