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


_GROUPS: dict[object, StatusGroup] = {
    ChatSessionStatus.PRE_CHAT_FORM: StatusGroup.PRE_QUEUE,
    ChatSessionStatus.FAQ: StatusGroup.PRE_QUEUE,
    ChatSessionStatus.OFFLINE_FORM: StatusGroup.PRE_QUEUE,
    ChatSessionStatus.IN_QUEUE: StatusGroup.WAITING,
    ChatSessionStatus.CUSTOMER_LAST: StatusGroup.LIVE,
    ChatSessionStatus.USER_LAST: StatusGroup.LIVE,
    ChatSessionStatus.FINISHED: StatusGroup.OVER,
    ChatSessionStatus.CLOSED: StatusGroup.OVER,
    ChatSessionStatus.CLOSED_FROM_QUEUE: StatusGroup.OVER,
    ChatSessionStatus.REQUEST_POSTED: StatusGroup.OVER,
    ChatSessionStatus.DELETED: StatusGroup.OVER,
}


def status_group(session: "ChatSession") -> StatusGroup | None:
    """Return the group of a session's status; None where it has no status or group."""
    return _GROUPS.get(session.status)


def is_open(session: "ChatSession") -> bool | None:
    """Tell whether a session still goes on; None where its status has no group."""
    group = status_group(session)
    return None if group is None else group is not StatusGroup.OVER
