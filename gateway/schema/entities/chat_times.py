"""How long a chat has waited, lasted and lain idle, as of its snapshot.

All of it is None unless both ends are instants: wall time without a known zone is not one.
"""

from typing import Any

from gateway.records.dates import AsOf
from gateway.schema.entities.chat_status import StatusGroup, is_open, status_group

_NS = 1_000_000_000
_LONGEST = 2**31 - 1


def fetched_at(session: Any) -> str:
    """Tell when REST gave the snapshot that the session is part of."""
    as_of: AsOf = session.as_of
    return as_of.fetched_at()


def instant(session: Any, field: str) -> int | None:
    """Place one of a session's dates in time, in nanoseconds since 1970; None where unknown."""
    value = getattr(session, field)
    as_of: AsOf = session.as_of
    return as_of.instant(value) if isinstance(value, str) else None


def wait_seconds(session: Any) -> int | None:
    """Measure from the request to the agent's acceptance, to the end without one, or to now."""
    until = instant(session, "when_started")
    if until is None and session.when_started is None:
        until = _end_or_now(session)
    return _between(instant(session, "when_requested"), until)


def duration_seconds(session: Any) -> int | None:
    """Measure from the agent's acceptance to the end, or to now."""
    return _between(instant(session, "when_started"), _end_or_now(session))


def idle_seconds(session: Any) -> int | None:
    """Measure from the last message to now, while the session is open."""
    if not is_open(session):
        return None
    return _between(instant(session, "when_idle"), session.as_of.fetched_ns)


def _end_or_now(session: Any) -> int | None:
    if session.when_ended is not None:
        return instant(session, "when_ended")
    now: int = session.as_of.fetched_ns
    return None if status_group(session) is StatusGroup.OVER else now


def _between(start: int | None, end: int | None) -> int | None:
    if start is None or end is None:
        return None
    # Two clocks are at work, so "before it began" means "just now".
    seconds = max(0, end - start) // _NS
    return seconds if seconds <= _LONGEST else None
