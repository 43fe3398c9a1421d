"""The numbers for a wallboard, counted once per request over the caller's snapshot."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Annotated, TypeVar

import strawberry

from gateway.records.record import valid
from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup, wait_seconds
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.entities.people import Associate
from gateway.schema.selecting.matching import key_of
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, order_of

T = TypeVar("T")


@strawberry.type(description="How many sessions have a status.")
class ChatSessionStatusCount:
    status: ChatSessionStatus | None = described("Null where REST sent none.")
    count: int = described("How many sessions.")


@strawberry.type(description="How many sessions are in a status group.")
class ChatSessionStatusGroupCount:
    status_group: StatusGroup | None = described(
        "Null for sessions whose status belongs to no group."
    )
    count: int = described("How many sessions.")


@strawberry.type(description="How many sessions came in through a chat channel.")
class ChatSessionTopicCount:
    topic_id: int | None = described("The chat channel.")
    count: int = described("How many sessions.")
    waiting: int = described("How many of them wait in the queue.")


@strawberry.type(description="How many sessions an agent has.")
class ChatSessionAgentCount:
    agent: Associate = described("The agent.")
    count: int = described("How many sessions.")
    live: int = described("How many of them are being chatted right now.")


def _transfers_pending_to(
    root: "strawberry.Parent[ChatSessionSummary]",
    associate_id: Annotated[int, strawberry.argument(description="The agent's `associateId`.")],
) -> int:
    return sum(key_of(session.transfer_to) == associate_id for session in root.sessions)


@strawberry.type(
    description="The caller's sessions in numbers. Lists come largest count first; equal counts by "
    "`topicId`, by `associateId`, or by the name of the status or group, so that rows stay where "
    "they are. Null comes last of its equals."
)
class ChatSessionSummary:
    sessions: strawberry.Private[Sequence[ChatSession]]
    fetched_at: DateTime = described("When REST gave the snapshot all this is counted in, in UTC.")
    total: int = described("How many sessions match the filter.")
    by_status: list[ChatSessionStatusCount] = described("Per status.")
    by_status_group: list[ChatSessionStatusGroupCount] = described("Per status group.")
    by_topic: list[ChatSessionTopicCount] = described("Per chat channel.")
    by_agent: list[ChatSessionAgentCount] = described("Per agent; the rest is `unassigned`.")
    unassigned: int = described(
        "How many have no agent: those that wait, those a bot answers, and those that "
        "ended before an agent came. Filter by `statusGroup` to leave some out."
    )
    transfers_pending: int = described("How many are being handed to another agent.")
    transfers_pending_to: int = strawberry.field(
        resolver=_transfers_pending_to,
        description="How many are being handed to this agent: the caller, say.",
    )
    with_bot: int = described("How many a bot is answering.")
    longest_wait_seconds: int | None = described(
        "The longest `waitSeconds` of the sessions in the queue; null where there are "
        "none, or no wait is known."
    )
    median_wait_seconds: float | None = described(
        "The median `waitSeconds` of the sessions in the queue; null where there are "
        "none, or no wait is known."
    )
    longest_waiting: ChatSession | None = described(
        "The session in the queue with the earliest `whenRequested`."
    )
    oldest_unanswered: ChatSession | None = described(
        "The live session whose customer wrote last and has waited for an answer "
        "longest: status `CUSTOMER_LAST`, earliest `whenIdle`."
    )


def summarise(sessions: Sequence[ChatSession], fetched_at: str) -> ChatSessionSummary:
    """Count the sessions."""
    waiting = [s for s in sessions if s.status_group is StatusGroup.WAITING]
    unanswered = [s for s in sessions if s.status is ChatSessionStatus.CUSTOMER_LAST]
    waits = [wait for s in waiting if (wait := wait_seconds(s)) is not None]
    agents = _by_agent(sessions)
    return ChatSessionSummary(
        sessions=sessions,
        fetched_at=DateTime(fetched_at),
        total=len(sessions),
        by_status=[
            ChatSessionStatusCount(status=status, count=count)
            for status, count in _counted(sessions, lambda s: s.status)
        ],
        by_status_group=[
            ChatSessionStatusGroupCount(status_group=group, count=count)
            for group, count in _counted(sessions, lambda s: s.status_group)
        ],
        by_topic=_by_topic(sessions, waiting),
        by_agent=agents,
        unassigned=len(sessions) - sum(agent.count for agent in agents),
        transfers_pending=sum(valid(s.transfer_to) is not None for s in sessions),
        with_bot=sum(s.chatbot_is_active is True for s in sessions),
        longest_wait_seconds=max(waits, default=None),
        median_wait_seconds=statistics.median(waits) if waits else None,
        longest_waiting=_earliest(waiting, ChatSessionOrder(when_requested=Direction.ASC)),
        oldest_unanswered=_earliest(unanswered, ChatSessionOrder(when_idle=Direction.ASC)),
    )


def _counted(
    sessions: Iterable[ChatSession], get: Callable[[ChatSession], T]
) -> list[tuple[T | None, int]]:
    counts = Counter(valid(get(session)) for session in sessions)
    return sorted(counts.items(), key=lambda row: (-row[1], row[0] is None, *_place(row[0])))


def _place(value: object) -> tuple[int, str]:
    return value if isinstance(value, int) else 0, value.name if isinstance(value, Enum) else ""


def _by_topic(
    sessions: Iterable[ChatSession], waiting: Iterable[ChatSession]
) -> list[ChatSessionTopicCount]:
    waits = dict(_counted(waiting, lambda s: s.topic_id))
    return [
        ChatSessionTopicCount(topic_id=topic, count=count, waiting=waits.get(topic, 0))
        for topic, count in _counted(sessions, lambda s: s.topic_id)
    ]


def _by_agent(sessions: Iterable[ChatSession]) -> list[ChatSessionAgentCount]:
    assigned = [(s, user) for s in sessions if (user := valid(s.user)) is not None]
    agents = {user.id: user for _, user in assigned}
    counts = Counter(user.id for _, user in assigned)
    ranked = sorted(counts, key=lambda a: (-counts[a], _place(agents[a].associate_id)[0], a))
    live = Counter(user.id for s, user in assigned if s.status_group is StatusGroup.LIVE)
    return [
        ChatSessionAgentCount(agent=agents[agent], count=counts[agent], live=live[agent])
        for agent in ranked
    ]


def _earliest(sessions: Iterable[ChatSession], order: ChatSessionOrder) -> ChatSession | None:
    return next(iter(order_of([order]).sort(sessions)), None)
