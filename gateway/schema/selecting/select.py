"""Select from a snapshot for root fields: matching rows, in order, and records by their id."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

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
from gateway.schema.guard.work import Work
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import CLOCKS, Filter
from gateway.schema.selecting.ordering import ChatSessionOrder, Order, order_of
from gateway.sessions.snapshot import Snapshot

_STEPS_PER_BLOCK = 4_000
_KEYS_PER_STEP = 10
_MOST_CROSSINGS = 1_000
_STEPS_PER_CROSSING = 4
_OWN = "node"


@dataclass(frozen=True, slots=True)
class Selecting:
    """Selects from the sessions of one snapshot, within the limit of work.

    Its methods raise `BadUserInputError` for invalid arguments, and `QueryTooComplexError`.
    """

    snapshot: Snapshot
    columns: Columns
    work: Work
    most_work: int

    async def rows(
        self,
        wanted: ChatSessionFilter | None,
        order_by: Sequence[ChatSessionOrder] | None = None,
        *,
        is_ordered: bool = False,
    ) -> tuple[list[int], Order]:
        """Return the rows that match, and their order.

        Without `order_by` they come in SuperOffice's order, or by key where `is_ordered`.
        """

        async def make() -> tuple[list[int], Order]:
            selects = Filter(wanted, self.snapshot.as_of)
            order = order_of(order_by or ())
            has_order = bool(order_by) or is_ordered
            self._charge(selects.parts + order.parts * has_order)
            rows = await matching_rows(self.columns, selects)
            return (await order.sort(self.columns, rows) if has_order else rows), order

        return await self.work.once((wanted, order_by or is_ordered), make)

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
        rows, _ = await self.rows(wanted)

        async def make() -> ChatSessionSummary:
            self._charge(PARTS)
            return await summarise(self.columns, rows, self.snapshot.as_of.fetched_at())

        summary = await self.work.once((wanted, "summary"), make)
        for name in groups:
            make_group = partial(GROUPS[name], summary)
            setattr(summary, name, await self.work.once((wanted, name), make_group))
        return summary

    async def session(self, key: int) -> ChatSession | None:
        """Return the session with this key, or None."""

        async def make() -> ChatSession | None:
            self._charge(1)
            keys = (await self.columns.load(["chat_session_id"]))["chat_session_id"]
            await self.columns.turns.spend(len(keys) // _KEYS_PER_STEP)
            return self.columns.sessions[keys.index(key)] if key in keys else None

        return await self.work.once(("session", key), make)

    async def nodes(self, ids: Sequence[str], links: Collection[str]) -> list[Any]:
        """Return sessions, and records linked to one by `links`; an invalid id finds nothing."""
        lists = _lists_of({type_name(node_id) for node_id in ids}, links)
        rows_of = {name: await self._first_rows(name) for name in lists}

        def find(node_id: str) -> object:
            places = [
                (rows[node_id], place, link)
                for place, (link, rows) in enumerate(rows_of.items())
                if node_id in rows
            ]
            if not places:
                return None
            row, _, name = min(places)
            session = self.columns.sessions[row]
            return session if name == _OWN else getattr(session, name.removesuffix(".node"))

        return [find(node_id) for node_id in ids]

    async def _first_rows(self, name: str) -> dict[str, int]:
        """Return the first row that has each id."""

        async def make() -> dict[str, int]:
            self._charge(1)
            ids = await self.columns.values(name, range(len(self.columns.sessions)))
            return dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))

        return await self.work.once(name, make)

    def _charge(self, parts: int) -> None:
        self.work.charge(len(self.columns.sessions), parts, self.most_work)


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
