"""The counts for a wallboard, made once per request from the caller's snapshot."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any, cast

import strawberry

from gateway.records.record import valid
from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.entities.people import Associate
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.ordering import Direction, Order

_STEPS_PER_AGENT = 100

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
    live: int = described("How many of them are live: with an agent or a bot.")
    unanswered: int = described("How many of them wait for an answer: status `CUSTOMER_LAST`.")


@strawberry.type(description="Counts of a chat channel's sessions.")
class ChatSessionTopicCount(_Count):
    topic_id: int | None = described("Id of the chat channel.")
    topic_name: str | None = described("The channel's name: see `ChatSession.topicName`.")
    waiting: int = described("How many of them wait in the queue.")
    longest_wait_seconds: int | None = described(f"The longest {_OF_WAITING}")
    longest_waiting: ChatSession | None = described(_LONGEST_WAITING)


@strawberry.type(description="Counts of an agent's sessions.")
class ChatSessionAgentCount(_Count):
    agent: Associate = described("The agent.")


async def _transfers_pending_to(
    root: "strawberry.Parent[ChatSessionSummary]",
    associate_id: Annotated[int, strawberry.argument(description="The agent's `associateId`.")],
) -> int:
    return (await root.columns.values("transfer_to_id", root.rows)).count(associate_id)


async def count_customers_away(
    root: "strawberry.Parent[ChatSessionSummary]",
    seconds: Annotated[int, strawberry.argument(description="Away for this long, or longer.")],
) -> int:
    """Count the sessions whose customer has been away for `seconds` or more."""
    away = await root.columns.values("customer_away_seconds", root.rows)
    return sum(away_s is not None and away_s >= seconds for away_s in away)


@strawberry.type(
    description="Counts of the caller's sessions. Lists are sorted by count, largest first. Equal "
    "counts are sorted by `topicId`, by `associateId`, or by the name of the status or group, null "
    "last, so that rows keep their places."
)
class ChatSessionSummary:
    columns: strawberry.Private[Columns]
    rows: strawberry.Private[Sequence[int]]
    waiting: strawberry.Private[frozenset[int]]
    live: strawberry.Private[frozenset[int]]
    unanswered: strawberry.Private[frozenset[int]]
    fetched_at: DateTime = described("When the counted data was fetched, in UTC.")
    total: int = described("How many sessions match the filter.")
    by_status: list[ChatSessionStatusCount] = described("Per status.")
    by_status_group: list[ChatSessionStatusGroupCount] = described("Per status group.")
    by_topic: list[ChatSessionTopicCount] = described("Per chat channel.")
    by_agent: list[ChatSessionAgentCount] = described("Per agent, without the `unassigned` ones.")
    unassigned: int = described(
        "How many have no agent: those that wait, those a bot answers, and those that "
        "ended before an agent accepted. Filter by `statusGroup` to exclude some."
    )
    transfers_pending: int = described("How many are being transferred to another agent.")
    transfers_pending_to: int = strawberry.field(
        resolver=_transfers_pending_to,
        description="How many are being transferred to this agent, for example the caller.",
    )
    with_bot: int = described("How many a bot is answering.")
    customers_away: int = strawberry.field(
        resolver=count_customers_away,
        description="How many sessions have at least this many `customerAwaySeconds`.",
    )
    rated: int = described("How many of the sessions have a rating.")
    average_rating: float | None = described(
        "The average `rating` of the sessions, 1 to 5; null if none has one."
    )
    longest_wait_seconds: int | None = described(f"The longest {_OF_WAITING}")
    median_wait_seconds: float | None = described(f"The median {_OF_WAITING}")
    longest_waiting: ChatSession | None = described(_LONGEST_WAITING)
    oldest_unanswered: ChatSession | None = described(
        "The live session whose customer wrote last and has waited for an answer "
        "longest: status `CUSTOMER_LAST`, earliest `whenIdle`."
    )


PARTS = 18
"""How many times a summary reads each session."""


async def summarise(columns: Columns, rows: Sequence[int], fetched_at: str) -> ChatSessionSummary:
    """Count the sessions in these rows, except by topic and by agent: see `GROUPS`."""
    statuses = await _grouped(columns, rows, "status")
    groups = await _grouped(columns, rows, "status_group")
    waiting = frozenset(groups.get(StatusGroup.WAITING, ()))
    unanswered = frozenset(statuses.get(ChatSessionStatus.CUSTOMER_LAST, ()))
    waits = await _waits(columns, waiting)
    ratings = [rating for rating in await columns.values("rating", rows) if rating]
    return ChatSessionSummary(
        columns=columns,
        rows=rows,
        waiting=waiting,
        live=frozenset(groups.get(StatusGroup.LIVE, ())),
        unanswered=unanswered,
        fetched_at=DateTime(fetched_at),
        total=len(rows),
        by_status=[
            ChatSessionStatusCount(status=status, count=len(own))
            for status, own in statuses.items()
        ],
        by_status_group=[
            ChatSessionStatusGroupCount(status_group=group, count=len(own))
            for group, own in groups.items()
        ],
        by_topic=[],
        by_agent=[],
        unassigned=(await columns.values("user.node", rows)).count(None),
        transfers_pending=(await columns.values("transfer_pending", rows)).count(True),
        with_bot=(await columns.values("chatbot_is_active", rows)).count(True),
        rated=len(ratings),
        average_rating=statistics.fmean(ratings) if ratings else None,
        longest_wait_seconds=max(waits, default=None),
        median_wait_seconds=statistics.median(waits) if waits else None,
        longest_waiting=await _earliest(columns, waiting, "when_requested"),
        oldest_unanswered=await _earliest(columns, unanswered, "when_idle"),
    )


async def _grouped(columns: Columns, rows: Sequence[int], name: str) -> Mapping[Any, list[int]]:
    """Return the rows of each value in one column, most frequent first."""
    groups = defaultdict[Any, list[int]](list)
    for row, value in zip(rows, await columns.values(name, rows), strict=True):
        groups[value].append(row)
    return dict(sorted(groups.items(), key=_place))


def _place(group: tuple[Any, Sequence[int]]) -> tuple[int, bool, int, str]:
    value, rows = group
    number, name = value if isinstance(value, int) else 0, getattr(value, "name", "")
    return -len(rows), value is None, number, name


async def _waits(columns: Columns, waiting: Collection[int]) -> list[int]:
    waits = await columns.values("wait_seconds.waiting", waiting)
    return [wait for wait in waits if wait is not None]


def _numbers(summary: ChatSessionSummary, rows: Sequence[int]) -> dict[str, int]:
    return {
        "count": len(rows),
        "live": len(summary.live.intersection(rows)),
        "unanswered": len(summary.unanswered.intersection(rows)),
    }


async def _by_topic(summary: ChatSessionSummary) -> list[ChatSessionTopicCount]:
    made, columns = [], summary.columns
    for topic, own in (await _grouped(columns, summary.rows, "topic_id")).items():
        waiting = summary.waiting.intersection(own)
        made.append(
            ChatSessionTopicCount(
                topic_id=topic,
                topic_name=columns.sessions[own[0]].topic_name,
                waiting=len(waiting),
                longest_wait_seconds=max(await _waits(columns, waiting), default=None),
                longest_waiting=await _earliest(columns, waiting, "when_requested"),
                **_numbers(summary, own),
            )
        )
    return made


async def _by_agent(summary: ChatSessionSummary) -> list[ChatSessionAgentCount]:
    made, columns = [], summary.columns
    for agent_id, own in (await _grouped(columns, summary.rows, "user.node")).items():
        if agent_id is not None:
            agent = cast("Associate", columns.sessions[own[-1]].user)
            place = (*_place((valid(agent.associate_id), own)), agent_id)
            row = ChatSessionAgentCount(agent=agent, **_numbers(summary, own))
            made.append((place, row))
            await columns.turns.spend(_STEPS_PER_AGENT)
    return [row for _, row in sorted(made, key=itemgetter(0))]


async def _earliest(columns: Columns, rows: Collection[int], time: str) -> ChatSession | None:
    ordered = await Order([(time, Direction.ASC)]).sort(columns, rows)
    return columns.sessions[ordered[0]] if ordered else None


GROUPS: dict[str, Callable[[ChatSessionSummary], Coroutine[Any, Any, object]]] = {
    "by_topic": _by_topic,
    "by_agent": _by_agent,
}
"""Make the lists that can be long: there can be as many agents as sessions."""
