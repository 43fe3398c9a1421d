"""The numbers for a wallboard, counted once per request over the caller's snapshot."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Annotated, TypeVar, cast

import strawberry

from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.entities.people import Associate
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, order_of

T = TypeVar("T")

_STEPS_PER_AGENT = 100
_STEPS_PER_PLACE = 30


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


async def _transfers_pending_to(
    root: "strawberry.Parent[ChatSessionSummary]",
    associate_id: Annotated[int, strawberry.argument(description="The agent's `associateId`.")],
) -> int:
    return (await root.columns.values("transfer_to_id", root.rows)).count(associate_id)


@strawberry.type(
    description="The caller's sessions in numbers. Lists come largest count first; equal counts by "
    "`topicId`, by `associateId`, or by the name of the status or group, so that rows stay where "
    "they are. Null comes last of its equals."
)
class ChatSessionSummary:
    columns: strawberry.Private[Columns]
    rows: strawberry.Private[Sequence[int]]
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


PARTS = 10
"""How often each session is looked at to summarise them."""


async def summarise(columns: Columns, rows: Sequence[int], fetched_at: str) -> ChatSessionSummary:
    """Count the sessions in these rows."""
    statuses = await columns.values("status", rows)
    groups = await columns.values("status_group", rows)
    topics = await columns.values("topic_id", rows)
    waits = [w for w in await columns.values("wait_seconds.waiting", rows) if w is not None]
    bots = await columns.values("chatbot_is_active", rows)
    pending = await columns.values("transfer_pending", rows)
    waiting = [row for row, group in zip(rows, groups, strict=True) if group is StatusGroup.WAITING]
    unanswered = [
        row
        for row, status in zip(rows, statuses, strict=True)
        if status is ChatSessionStatus.CUSTOMER_LAST
    ]
    agents = await _by_agent(columns, rows, groups)
    waiting_per_topic = Counter(await columns.values("topic_id", waiting))
    return ChatSessionSummary(
        columns=columns,
        rows=rows,
        fetched_at=DateTime(fetched_at),
        total=len(rows),
        by_status=[
            ChatSessionStatusCount(status=status, count=count)
            for status, count in _counted(statuses)
        ],
        by_status_group=[
            ChatSessionStatusGroupCount(status_group=group, count=count)
            for group, count in _counted(groups)
        ],
        by_topic=[
            ChatSessionTopicCount(topic_id=topic, count=count, waiting=waiting_per_topic[topic])
            for topic, count in _counted(topics)
        ],
        by_agent=agents,
        unassigned=len(rows) - sum(agent.count for agent in agents),
        transfers_pending=sum(pending),
        with_bot=bots.count(True),
        longest_wait_seconds=max(waits, default=None),
        median_wait_seconds=statistics.median(waits) if waits else None,
        longest_waiting=await _earliest(
            columns, waiting, ChatSessionOrder(when_requested=Direction.ASC)
        ),
        oldest_unanswered=await _earliest(
            columns, unanswered, ChatSessionOrder(when_idle=Direction.ASC)
        ),
    )


def _counted(values: Iterable[T]) -> list[tuple[T, int]]:
    return sorted(
        Counter(values).items(), key=lambda row: (-row[1], row[0] is None, *_place(row[0]))
    )


def _place(value: object) -> tuple[int, str]:
    return value if isinstance(value, int) else 0, value.name if isinstance(value, Enum) else ""


async def _by_agent(
    columns: Columns, rows: Sequence[int], groups: Sequence[StatusGroup | None]
) -> list[ChatSessionAgentCount]:
    ids = await columns.values("user.node", rows)
    counts = Counter(i for i in ids if i is not None)
    live = Counter(i for i, group in zip(ids, groups, strict=True) if group is StatusGroup.LIVE)
    agents = {}
    for agent_id, row in dict(zip(ids, rows, strict=True)).items():
        agents[agent_id] = cast("Associate", columns.sessions[row].user)
        await columns.turns.give(_STEPS_PER_AGENT)
    return [
        ChatSessionAgentCount(agent=agents[i], count=counts[i], live=live[i])
        for i in sorted(counts, key=lambda i: (-counts[i], _place(agents[i].associate_id)[0], i))
    ]


async def _earliest(
    columns: Columns, rows: Sequence[int], by: ChatSessionOrder
) -> ChatSession | None:
    place = order_of([by]).place
    places = []
    for row in rows:
        places.append((place(columns.sessions[row]), row))
        await columns.turns.give(_STEPS_PER_PLACE)
    return columns.sessions[min(places)[1]] if places else None
