"""The numbers for a wallboard, counted once per request over the caller's snapshot."""

import statistics
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from operator import itemgetter
from typing import Annotated, Any, cast

import strawberry

from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.entities.people import Associate
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.ordering import Direction, Order

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
    waiting = await _where(columns, rows, "status_group", StatusGroup.WAITING)
    live = await _where(columns, rows, "status_group", StatusGroup.LIVE)
    unanswered = await _where(columns, rows, "status", ChatSessionStatus.CUSTOMER_LAST)
    waits = [w for w in await columns.values("wait_seconds.waiting", waiting) if w is not None]
    waiting_in = Counter(await columns.values("topic_id", waiting))
    agents = await _by_agent(columns, rows, live)
    return ChatSessionSummary(
        columns=columns,
        rows=rows,
        fetched_at=DateTime(fetched_at),
        total=len(rows),
        by_status=[
            ChatSessionStatusCount(status=status, count=count)
            for status, count in await _counted(columns, rows, "status")
        ],
        by_status_group=[
            ChatSessionStatusGroupCount(status_group=group, count=count)
            for group, count in await _counted(columns, rows, "status_group")
        ],
        by_topic=[
            ChatSessionTopicCount(topic_id=topic, count=count, waiting=waiting_in[topic])
            for topic, count in await _counted(columns, rows, "topic_id")
        ],
        by_agent=agents,
        unassigned=len(rows) - sum(agent.count for agent in agents),
        transfers_pending=(await columns.values("transfer_pending", rows)).count(True),
        with_bot=(await columns.values("chatbot_is_active", rows)).count(True),
        longest_wait_seconds=max(waits, default=None),
        median_wait_seconds=statistics.median(waits) if waits else None,
        longest_waiting=await _earliest(columns, waiting, "when_requested"),
        oldest_unanswered=await _earliest(columns, unanswered, "when_idle"),
    )


async def _where(columns: Columns, rows: Sequence[int], name: str, value: object) -> Sequence[int]:
    values = await columns.values(name, rows)
    return [row for row, found in zip(rows, values, strict=True) if found is value]


async def _counted(columns: Columns, rows: Sequence[int], name: str) -> list[tuple[Any, int]]:
    """Count the values of one name, most frequent first."""
    counts = Counter(await columns.values(name, rows))
    return sorted(counts.items(), key=lambda row: (-row[1], row[0] is None, *_place(row[0])))


def _place(value: object) -> tuple[int, str]:
    return value if isinstance(value, int) else 0, value.name if isinstance(value, Enum) else ""


async def _by_agent(
    columns: Columns, rows: Sequence[int], live: Sequence[int]
) -> list[ChatSessionAgentCount]:
    ids = await columns.values("user.node", rows)
    row_of = dict(zip(ids, rows, strict=True))
    counts, live_counts = Counter(ids), Counter(await columns.values("user.node", live))
    made = []
    for agent_id in row_of.keys() - {None}:
        agent = cast("Associate", columns.sessions[row_of[agent_id]].user)
        count = counts[agent_id]
        place = (-count, _place(agent.associate_id)[0], agent_id)
        row = ChatSessionAgentCount(agent=agent, count=count, live=live_counts[agent_id])
        made.append((place, row))
        await columns.turns.give(_STEPS_PER_AGENT)
    return [row for _, row in sorted(made, key=itemgetter(0))]


async def _earliest(columns: Columns, rows: Sequence[int], time: str) -> ChatSession | None:
    place = Order([(time, Direction.ASC)]).place
    places = []
    for row in rows:
        places.append((place(columns.sessions[row]), row))
        await columns.turns.give(_STEPS_PER_PLACE)
    return columns.sessions[min(places)[1]] if places else None
