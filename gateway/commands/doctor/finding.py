"""The result of a check, and how it is made from an exception."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]

Failures = Sequence[tuple[type[Exception] | str, str]]
"""By exception type, or pattern for a TLS error's reason: `found → advice`; first match counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    found: str
    advice: str | None = None
    """How to solve the problem."""


def failure(check: str, exc: Exception, failures: Failures, **values: object) -> Finding:
    """Return the finding for an exception, from a table whose last row matches any exception."""
    names = (getattr(exc, name, None) for name in ("verify_message", "reason"))
    reason = str(next(filter(None, names), type(exc).__name__)).replace("_", " ").lower()
    found, _, advice = next(
        text.partition(" → ")
        for key, text in failures
        if (re.search(key, reason) if isinstance(key, str) else isinstance(exc, key))
    )
    return Finding(check, "fail", found.format(exc=exc, reason=reason, **values), advice)
