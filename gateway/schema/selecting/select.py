"""Select from a snapshot for root fields: matching rows, in order, and records by their id.

Work on sessions is limited, and charged before it is done. It counts the sessions that are read; a
query's cost (`guard/size.py`) counts the values in its answer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from gateway.errors import QueryTooComplexError
from gateway.live.state import SECOND_NS, later
from gateway.schema.declare.entity import record_of
from gateway.schema.declare.nodes import type_name
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.summary import (
    GROUPS,
    PARTS,
    ChatSessionSummary,
    summarise,
)
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import CLOCKS, Filter
from gateway.schema.selecting.ordering import ChatSessionOrder, Order, order_of
from gateway.sessions.snapshot import Snapshot

Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])

_STEPS_PER_BLOCK = 4_000
_KEYS_PER_STEP = 10
_MOST_CROSSINGS = 1_000
_STEPS_PER_CROSSING = 4
_OWN = "node"
"""The column with the ids of the sessions themselves."""


def _once(make: Method) -> Method:
    """Make a method's result once for equal arguments."""

    async def found(self: "Selecting", *arguments: object) -> object:
        key = make, arguments
        for known, result in self.results:
            if known == key:
                return result
        result = await make(self, *arguments)
        self.results.append((key, result))
        return result

    return cast("Method", found)


@dataclass(slots=True, eq=False, repr=False)
class Selecting:
    """Selects from the sessions of one snapshot, for one request or one event of a subscription.

    Its methods raise `BadUserInputError` for invalid arguments, and `QueryTooComplexError`.
    """

    snapshot: Snapshot
    columns: Columns
    most_work: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by one root field at a time: the others can then use its results."""

    results: list[tuple[object, object]] = field(default_factory=list)
    """The results of methods so far, with their arguments: see `_once`."""

    spent: int = 0
    """The work so far."""

    @_once
    async def rows(
        self, wanted: ChatSessionFilter | None, order_by: Sequence[ChatSessionOrder] | None
    ) -> tuple[list[int], Order]:
        """Return the rows that match, and their order.

        Without `order_by` they come in SuperOffice's order, and by key if it is empty.
        """
        selects = Filter(wanted, self.snapshot.as_of)
        order = order_of(order_by or ())
        has_order = order_by is not None
        self._charge(selects.parts + order.parts * has_order)
        rows = await matching_rows(self.columns, selects)
        return (await order.sort(self.columns, rows) if has_order else rows), order

    async def next_change(
        self, wanted: ChatSessionFilter | None, rows: Collection[int]
    ) -> int | None:
        """Return when the passing of time changes which rows match, or None if it never does.

        It is a whole second, in nanoseconds since 1970. It can be too early if many sessions cross
        a bound without a change: the search ends after `_MOST_CROSSINGS`.
        """
        columns, as_of = self.columns, self.snapshot.as_of
        selects, now_ns = Filter(wanted, as_of), as_of.now_ns
        self._charge(selects.parts + len(selects.clocks))
        rows_at = defaultdict[int, set[int]](set)
        for name, end in selects.clocks:
            lists = await columns.load((name, start_name := CLOCKS[name]))
            running = zip(lists[start_name], lists[name], strict=True)
            for row, (start, seconds) in enumerate(running):
                # Seconds that stand still differ from those since the start.
                if start is not None and seconds == max(0, now_ns - start) // SECOND_NS < end:
                    rows_at[(end - -start // SECOND_NS) * SECOND_NS].add(row)
                    await columns.turns.spend(_STEPS_PER_CROSSING)
            await columns.turns.spend(len(columns.sessions))
        matched, tries = frozenset(rows), _MOST_CROSSINGS
        for moment_ns in sorted(rows_at):
            crossing = rows_at[moment_ns]
            tries -= len(crossing)
            sessions, candidates = later(self.snapshot, moment_ns).sessions, [*crossing]
            then = Columns([sessions[row] for row in candidates], columns.searched, columns.turns)
            found = {candidates[row] for row in await matching_rows(then, selects)}
            if tries < 0 or found != matched & crossing:
                return moment_ns
        return None

    async def summary(
        self, wanted: ChatSessionFilter | None, groups: Collection[str]
    ) -> ChatSessionSummary:
        """Return the numbers of the sessions that match, with these of the `GROUPS`."""
        summary = await self._counts(wanted)
        for name in groups:
            setattr(summary, name, await self._group(wanted, name))
        return summary

    @_once
    async def _counts(self, wanted: ChatSessionFilter | None) -> ChatSessionSummary:
        rows, _ = await self.rows(wanted, None)
        self._charge(PARTS)
        return await summarise(self.columns, rows, self.snapshot.as_of.fetched_at())

    @_once
    async def _group(self, wanted: ChatSessionFilter | None, name: str) -> object:
        return await GROUPS[name](await self._counts(wanted))

    @_once
    async def session(self, key: int) -> ChatSession | None:
        """Return the session with this key, or None."""
        self._charge(1)
        keys = (await self.columns.load(["chat_session_id"]))["chat_session_id"]
        await self.columns.turns.spend(len(keys) // _KEYS_PER_STEP)
        return self.columns.sessions[keys.index(key)] if key in keys else None

    async def nodes(self, ids: Sequence[str], links: Collection[str]) -> list[Any]:
        """Return sessions, and records linked to one by `links`; an invalid id finds nothing."""
        lists = _lists_of({type_name(node_id) for node_id in ids}, links)
        rows_of = {name: await self._first_rows(name) for name in lists}

        def find(node_id: str) -> object:
            rows = {name: rows[node_id] for name, rows in rows_of.items() if node_id in rows}
            if not rows:
                return None
            name = min(rows, key=rows.__getitem__)
            session = self.columns.sessions[rows[name]]
            return session if name == _OWN else getattr(session, name.removesuffix(".node"))

        return [find(node_id) for node_id in ids]

    @_once
    async def _first_rows(self, name: str) -> dict[str, int]:
        """Return the first row that has each id."""
        self._charge(1)
        ids = await self.columns.values(name, range(len(self.columns.sessions)))
        return dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))

    def _charge(self, parts: int) -> None:
        sessions = len(self.columns.sessions)
        if self.spent + sessions * parts > self.most_work:
            raise QueryTooComplexError(
                f"The request's filters, orders and counts are too much work for {sessions} "
                f"sessions: this field takes {sessions * parts} points (the sessions times the "
                f"parts of its filter, keys of its order and counts), those before it took "
                f"{self.spent}, and {self.most_work} are allowed. Use fewer parts, keys or root "
                "fields, or send several requests."
            )
        self.spent += sessions * parts


async def matching_rows(columns: Columns, wanted: Filter) -> list[int]:
    """Return the rows that a filter matches."""
    count = len(columns.sessions)
    if not wanted.parts:
        return [*range(count)]
    lists = await columns.load(wanted.reads)
    size = max(1, _STEPS_PER_BLOCK // wanted.parts)
    rows: list[int] = []
    for start in range(0, count, size):
        block = [*range(start, min(start + size, count))]
        rows += wanted.select(lists, block)
        await columns.turns.spend(len(block) * wanted.parts)
    return rows


def _lists_of(types: Collection[str | None], links: Collection[str]) -> list[str]:
    """Return the names of the lists of ids of these types, in the order of `links`."""
    linked = {
        p.slot.removeprefix("_"): p.nested.__name__
        for p in record_of(ChatSession).properties
        if p.nested is not None
    }
    own = [_OWN] if ChatSession.__name__ in types else []
    return own + [f"{link}.node" for link in links if linked[link] in types]
