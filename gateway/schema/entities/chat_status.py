"""The groups of chat statuses that agents and wallboards work with."""

from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from gateway.schema.entities.enums import ChatSessionStatus

if TYPE_CHECKING:
    from gateway.schema.entities.chat import ChatSession


@strawberry.enum(name="ChatSessionStatusGroup", description="The statuses in groups.")
class StatusGroup(Enum):
    PRE_QUEUE = strawberry.enum_value(
        "PRE_QUEUE",
        description="Not in the queue yet: `PRE_CHAT_FORM`, `FAQ`, `OFFLINE_FORM`.",
    )
    WAITING = strawberry.enum_value("WAITING", description="In the queue: `IN_QUEUE`.")
    LIVE = strawberry.enum_value(
        "LIVE", description="Being chatted, by an agent or a bot: `CUSTOMER_LAST`, `USER_LAST`."
    )
    OVER = strawberry.enum_value(
        "OVER",
        description="`FINISHED` (the customer may still revive it), `CLOSED`, `CLOSED_FROM_QUEUE`, "
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


def status_group(session: "ChatSession") -> StatusGroup | None:
    """Return the group of a session's status; None where it has no status or group."""
    return _GROUPS.get(session.status)


def is_open(session: "ChatSession") -> bool | None:
    """Tell whether a session still goes on; None where its status has no group."""
    group = status_group(session)
    return None if group is None else group is not StatusGroup.OVER
