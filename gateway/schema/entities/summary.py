"""The numbers for a wallboard, counted once per request over the caller's snapshot."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, TypeVar

import strawberry

from gateway.records.record import valid
from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup, customer_away_seconds, wait_seconds
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.entities.people import Associate
from gateway.schema.selecting.matching import key_of
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, order_of

T = TypeVar("T")

_OF_WAITING = "`waitSeconds` of the waiting sessions; null if there are none, or no wait is known."
_LONGEST_WAITING = "The waiting session with the earliest `whenRequested`."


@strawberry.type(description="How many sessions have a status.")
class ChatSessionStatusCount:
    status: ChatSessionStatus | None = described("Null if SuperOffice sent none.")
    count: int = described("How many sessions.")


@strawberry.type(description="How many sessions are in a status group.")
class ChatSessionStatusGroupCount:
    status_group: StatusGroup | None = described(
        "Null for sessions whose status belongs to no group."
    )
    count: int = described("How many sessions.")


@strawberry.type
class _Count:
    count: int = described("How many sessions.")
    live: int = described("How many of them are being chatted, by an agent or a bot.")
    unanswered: int = described("How many of them wait for an answer: status `CUSTOMER_LAST`.")


@strawberry.type(description="The sessions of a chat channel in numbers.")
class ChatSessionTopicCount(_Count):
    topic_id: int | None = described("Id of the chat channel.")
    topic_name: str | None = described("The channel's name: see `ChatSession.topicName`.")
    waiting: int = described("How many of them wait in the queue.")
    longest_wait_seconds: int | None = described(f"The longest {_OF_WAITING}")
    longest_waiting: ChatSession | None = described(_LONGEST_WAITING)


@strawberry.type(description="The sessions of an agent in numbers.")
class ChatSessionAgentCount(_Count):
    agent: Associate = described("The agent.")


def _transfers_pending_to(
    root: "strawberry.Parent[ChatSessionSummary]",
    associate_id: Annotated[int, strawberry.argument(description="The agent's `associateId`.")],
) -> int:
    return sum(key_of(session.transfer_to) == associate_id for session in root.sessions)


def count_customers_away(
    root: "strawberry.Parent[ChatSessionSummary]",
    seconds: Annotated[int, strawberry.argument(description="Away for this long, or longer.")],
) -> int:
    """Count the open sessions whose customer has been away for so long, or longer."""
    away = (customer_away_seconds(session) for session in root.sessions)
    return sum(away_s is not None and away_s >= seconds for away_s in away)


@strawberry.type(
    description="The caller's sessions in numbers. Lists come largest count first; equal counts by "
    "`topicId`, by `associateId`, or by the name of the status or group, so that rows stay where "
    "they are. Null comes last of its equals."
)
class ChatSessionSummary:
    sessions: strawberry.Private[Sequence[ChatSession]]
    fetched_at: DateTime = described("When the data that is counted was fetched, in UTC.")
    total: int = described("How many sessions match the filter.")
    by_status: list[ChatSessionStatusCount] = described("Per status.")
    by_status_group: list[ChatSessionStatusGroupCount] = described("Per status group.")
    by_topic: list[ChatSessionTopicCount] = described("Per chat channel.")
    by_agent: list[ChatSessionAgentCount] = described("Per agent; the rest is `unassigned`.")
    unassigned: int = described(
        "How many have no agent: those that wait, those a bot answers, and those that "
        "ended before an agent came. Filter by `statusGroup` to leave some out."
    )
    transfers_pending: int = described("How many are being transferred to another agent.")
    transfers_pending_to: int = strawberry.field(
        resolver=_transfers_pending_to,
        description="How many are being transferred to this agent, for example the caller.",
    )
    with_bot: int = described("How many a bot is answering.")
    customers_away: int = strawberry.field(
        resolver=count_customers_away,
        description="How many open sessions have `customerAwaySeconds` of this many or more.",
    )
    rated: int = described("How many of the sessions in this list have a rating.")
    average_rating: float | None = described(
        "Their average `rating`, 1 to 5; null if none has one."
    )
    longest_wait_seconds: int | None = described(f"The longest {_OF_WAITING}")
    median_wait_seconds: float | None = described(f"The median {_OF_WAITING}")
    longest_waiting: ChatSession | None = described(_LONGEST_WAITING)
    oldest_unanswered: ChatSession | None = described(
        "The live session whose customer wrote last and has waited for an answer "
        "longest: status `CUSTOMER_LAST`, earliest `whenIdle`."
    )


def summarise(sessions: Sequence[ChatSession], fetched_at: str) -> ChatSessionSummary:
    """Count the sessions."""
    waiting = _in(StatusGroup.WAITING, sessions)
    unanswered = [s for s in sessions if s.status is ChatSessionStatus.CUSTOMER_LAST]
    waits = _waits(waiting)
    agents = _by_agent(sessions)
    ratings = [rating for s in sessions if (rating := valid(s.rating))]
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
        by_topic=_by_topic(sessions),
        by_agent=agents,
        unassigned=len(sessions) - sum(agent.count for agent in agents),
        transfers_pending=sum(valid(s.transfer_to) is not None for s in sessions),
        with_bot=sum(s.chatbot_is_active is True for s in sessions),
        rated=len(ratings),
        average_rating=statistics.fmean(ratings) if ratings else None,
        longest_wait_seconds=max(waits, default=None),
        median_wait_seconds=statistics.median(waits) if waits else None,
        longest_waiting=_longest_waiting(waiting),
        oldest_unanswered=_earliest(unanswered, ChatSessionOrder(when_idle=Direction.ASC)),
    )


def _counted(
    sessions: Iterable[ChatSession], get: Callable[[ChatSession], T]
) -> list[tuple[T | None, int]]:
    counts = Counter(valid(get(session)) for session in sessions)
    return sorted(counts.items(), key=lambda row: (-row[1], row[0] is None, *_place(row[0])))


def _place(value: object) -> tuple[int, str]:
    return value if isinstance(value, int) else 0, value.name if isinstance(value, Enum) else ""


def _by_topic(sessions: Iterable[ChatSession]) -> list[ChatSessionTopicCount]:
    of_topic: Mapping[int | None, list[ChatSession]] = defaultdict(list)
    for session in sessions:
        of_topic[valid(session.topic_id)].append(session)
    return [
        ChatSessionTopicCount(
            topic_id=topic,
            topic_name=of_topic[topic][0].topic_name,
            waiting=len(waiting := _in(StatusGroup.WAITING, of_topic[topic])),
            longest_wait_seconds=max(_waits(waiting), default=None),
            longest_waiting=_longest_waiting(waiting),
            **_numbers(of_topic[topic]),
        )
        for topic, _ in _counted(sessions, lambda s: s.topic_id)
    ]


def _by_agent(sessions: Iterable[ChatSession]) -> list[ChatSessionAgentCount]:
    agents: dict[str, Associate] = {}
    of_agent: Mapping[str, list[ChatSession]] = defaultdict(list)
    for session in sessions:
        if (user := valid(session.user)) is not None:
            agents[user.id] = user
            of_agent[user.id].append(session)
    ranked = sorted(agents, key=lambda a: (-len(of_agent[a]), _place(agents[a].associate_id)[0], a))
    return [ChatSessionAgentCount(agent=agents[a], **_numbers(of_agent[a])) for a in ranked]


def _numbers(sessions: Sequence[ChatSession]) -> dict[str, int]:
    unanswered = sum(s.status is ChatSessionStatus.CUSTOMER_LAST for s in sessions)
    live = len(_in(StatusGroup.LIVE, sessions))
    return {"count": len(sessions), "live": live, "unanswered": unanswered}


def _in(group: StatusGroup, sessions: Iterable[ChatSession]) -> list[ChatSession]:
    return [session for session in sessions if session.status_group is group]


def _waits(waiting: Iterable[ChatSession]) -> list[int]:
    return [wait for s in waiting if (wait := wait_seconds(s)) is not None]


def _longest_waiting(waiting: Iterable[ChatSession]) -> ChatSession | None:
    return _earliest(waiting, ChatSessionOrder(when_requested=Direction.ASC))


def _earliest(sessions: Iterable[ChatSession], order: ChatSessionOrder) -> ChatSession | None:
    return next(iter(order_of([order]).sort(sessions)), None)
