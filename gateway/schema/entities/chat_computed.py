"""The computed fields of a session: the group of its status, and its times as of its snapshot.

A time is None unless both ends are instants, which a wall time without a known zone is not.

A status can go back: a bot or an agent puts a chat into the queue again, a customer revives a
finished one. `WhenStarted` and `WhenEnded` may keep their values then, so the status decides
whether they count.
"""

from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from gateway.schema.declare.rest_enum import member
from gateway.schema.entities.enums import ChatSessionStatus

if TYPE_CHECKING:
    from gateway.schema.entities.chat import ChatSession

_NS = 1_000_000_000
_LONGEST = 2**31 - 1


@strawberry.enum(name="ChatSessionStatusGroup", description="A group of statuses.")
class StatusGroup(Enum):
    PRE_QUEUE = member("PRE_QUEUE", "Not in the queue yet: `PRE_CHAT_FORM`, `FAQ`, `OFFLINE_FORM`.")
    WAITING = member("WAITING", "In the queue: `IN_QUEUE`.")
    LIVE = member("LIVE", "With an agent or a bot: `CUSTOMER_LAST`, `USER_LAST`.")
    OVER = member(
        "OVER",
        "`FINISHED` (the customer may still revive it), `CLOSED`, `CLOSED_FROM_QUEUE`, "
        "`REQUEST_POSTED`, `DELETED`.",
    )


_STATUSES = {
    StatusGroup.PRE_QUEUE: ("PRE_CHAT_FORM", "FAQ", "OFFLINE_FORM"),
    StatusGroup.WAITING: ("IN_QUEUE",),
    StatusGroup.LIVE: ("CUSTOMER_LAST", "USER_LAST"),
    StatusGroup.OVER: ("FINISHED", "CLOSED", "CLOSED_FROM_QUEUE", "REQUEST_POSTED", "DELETED"),
}
_GROUPS: dict[object, StatusGroup] = {
    ChatSessionStatus[name]: group for group, names in _STATUSES.items() for name in names
}


_BEFORE_AGENT = frozenset({StatusGroup.PRE_QUEUE, StatusGroup.WAITING})


def status_group(session: "ChatSession") -> StatusGroup | None:
    """Return the group of a session's status; None if it has no status or group."""
    return _GROUPS.get(session.status)


def is_open(session: "ChatSession") -> bool | None:
    """Return whether a session still goes on; None if its status has no group."""
    group = status_group(session)
    return None if group is None else group is not StatusGroup.OVER


def fetched_at(session: "ChatSession") -> str:
    """Return the time of the snapshot that the session is part of."""
    return session.as_of.fetched_at()


def wait_seconds(session: "ChatSession") -> int | None:
    """Measure from the request to the agent's acceptance; without one, to the end or to now."""
    accepted = _accepted(session)
    if accepted is None and _goes_on(session):
        return _until_now(session, session.when_requested)
    until = session.when_ended if accepted is None else accepted
    return _between(_instant(session, session.when_requested), _instant(session, until))


def duration_seconds(session: "ChatSession") -> int | None:
    """Measure from the agent's acceptance to the end, or to now."""
    if _goes_on(session):
        return _until_now(session, _accepted(session))
    return _between(_instant(session, _accepted(session)), _instant(session, session.when_ended))


def idle_seconds(session: "ChatSession") -> int | None:
    """Measure from the last message to now, while the session is open."""
    return _until_now(session, session.when_idle) if _goes_on(session) else None


def customer_away_seconds(session: "ChatSession") -> int | None:
    """Measure from the last request of the customer's browser to now, while the session is open."""
    return _until_now(session, session.when_fetched) if _goes_on(session) else None


def _until_now(session: "ChatSession", since: object) -> int | None:
    start = session.as_of.recent(since) if isinstance(since, str) else None
    return _between(start, session.as_of.now_ns)


def _accepted(session: "ChatSession") -> object:
    """Return when an agent accepted; None if the status says that no agent has."""
    is_unaccepted = status_group(session) in _BEFORE_AGENT or (
        session.status is ChatSessionStatus.CLOSED_FROM_QUEUE
    )
    return None if is_unaccepted else session.when_started


def _instant(session: "ChatSession", date: object) -> int | None:
    """Convert one of the session's dates to an instant; None if it is missing or malformed."""
    return session.as_of.instant(date) if isinstance(date, str) else None


def _goes_on(session: "ChatSession") -> bool:
    """Return whether time still passes for a session: of an unknown status, until its end."""
    goes_on = is_open(session)
    return session.when_ended is None if goes_on is None else goes_on


def _between(start: int | None, end: int | None) -> int | None:
    if start is None or end is None:
        return None
    # The two ends can come from different clocks, so a negative time means "just now".
    seconds = max(0, end - start) // _NS
    return seconds if seconds <= _LONGEST else None
