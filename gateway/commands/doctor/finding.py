"""What a check returns, and how an exception becomes that."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]

Failures = Sequence[tuple[type[Exception] | str, str]]
"""An exception, or a pattern of a TLS error's reason; and `found → advice`. The first counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    found: str
    advice: str | None = None
    """What to do about it."""


def failure(check: str, exc: Exception, failures: Failures, **values: object) -> Finding:
    """Return the finding of an exception, by a table whose last row matches every one."""
    names = (getattr(exc, name, None) for name in ("verify_message", "reason"))
    reason = str(next(filter(None, names), type(exc).__name__)).replace("_", " ").lower()
    found, _, advice = next(
        text.partition(" → ")
        for key, text in failures
        if (re.search(key, reason) if isinstance(key, str) else isinstance(exc, key))
    )
    return Finding(check, "fail", found.format(exc=exc, reason=reason, **values), advice)
