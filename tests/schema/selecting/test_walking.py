"""Paging through a connection while sessions appear and disappear between the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, Order, order_of
from gateway.schema.selecting.pages import ChatSessionConnection
from tests.schema.selecting.desk import Json, ids_of, ordered, page_of, records

KEYS = [
    "chat_session_id",
    "topic_id",
    "status",
    "status_group",
    "user",
    "contact",
    "alert_level",
    "customer_name",
    "when_requested",
    "when_ended",
]


@dataclass(frozen=True)
class Walk:
    """Sessions, their order, and the sessions that are present at each page."""

    sessions: Sequence[Any]
    order: Order
    presences: Sequence[frozenset[int]]
    sizes: Sequence[int]

    def at(self, step: int) -> list[Any]:
        """Return the sessions that are present at a step; after the last step nothing changes."""
        present_ids = self.presences[min(step, len(self.presences) - 1)]
        return [session for session in self.sessions if session.chat_session_id in present_ids]

    def page(self, step: int, **arguments: Any) -> ChatSessionConnection:
        """Fetch a page at a step."""
        return page_of(self.at(step), self.order, **arguments)

    def forwards(self) -> list[int]:
        """Page from the start to the end, as an infinite list does."""
        ids: list[int] = []
        after, step, has_more = None, 0, True
        while has_more:
            page = self.page(step, first=self.sizes[step % len(self.sizes)], after=after)
            ids += ids_of(edge.node for edge in page.edges)
            after, has_more = page.page_info.end_cursor or after, page.page_info.has_next_page
            step += 1
        return ids

    def backwards(self) -> list[int]:
        """Page from the end to the start, as a chat's history does."""
        ids: list[int] = []
        before, step, has_more = None, 0, True
        while has_more:
            page = self.page(step, last=self.sizes[step % len(self.sizes)], before=before)
            ids = [*ids_of(edge.node for edge in page.edges), *ids]
            before, has_more = (
                page.page_info.start_cursor or before,
                page.page_info.has_previous_page,
            )
            step += 1
        return ids

    def always_present(self) -> set[int]:
        """Return the keys of the sessions that are present at all steps."""
        return set(frozenset.intersection(*self.presences))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make a value or None."""
    return st.one_of(strategy, st.none())


names = st.sampled_from(["", "Ada", "ADÁ", "Bjørn", "田中"])


def linked(key: str, name: str) -> st.SearchStrategy[Any]:
    """Make a linked record with a name, one without, or none."""
    return maybe(st.fixed_dictionaries({key: st.just(1)}, optional={name: maybe(names)}))


sessions = st.fixed_dictionaries(
    {},
    optional={
        "TopicId": maybe(st.integers(-1, 2)),
        "Status": st.sampled_from(["InQueue", "CustomerLast", "Revived", None]),
        "User": linked("AssociateId", "FullName"),
        "Contact": linked("ContactId", "Name"),
        "AlertLevel": maybe(st.integers(0, 2)),
        "CustomerName": maybe(names),
        "WhenRequested": st.sampled_from(
            ["2026-11-23T12:00:00", "2026-11-23T12:00:00.0000001", "0001-01-01T00:00:00", None]
        ),
        "WhenEnded": st.sampled_from(["2026-11-23T12:00:00Z", "2026-11-23T12:00:00+01:00", None]),
    },
)
orders = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(list(Direction))), max_size=3
).map(lambda keys: order_of([ChatSessionOrder(**{name: way}) for name, way in keys]))


@st.composite
def walks(draw: st.DrawFn) -> Walk:
    """Draw sessions and their changes."""
    desk: list[Json] = draw(st.lists(sessions, min_size=1, max_size=12))
    ids = st.sampled_from(range(1, len(desk) + 1))
    presence = st.sets(ids).map(frozenset)
    staying = draw(st.sets(ids))
    presences = draw(st.lists(presence.map(lambda some: some | staying), min_size=1, max_size=6))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return Walk(records(*desk), draw(orders), presences, sizes)


def check(walk: Walk, ids: list[int]) -> None:
    """Check that no session is repeated, none that stays is missing, and the order is right."""
    by_id = {session.chat_session_id: session for session in walk.sessions}
    places = [walk.order.sortable(walk.order.keys(by_id[number])) for number in ids]
    assert len(ids) == len(set(ids))
    assert walk.always_present() <= set(ids)
    assert all(before < after for before, after in pairwise(places))


@given(walks())
def test_paging_forwards_neither_repeats_nor_skips_a_session_that_stays(walk: Walk) -> None:
    """Other sessions may appear and disappear, and pages may have any size."""
    check(walk, walk.forwards())


@given(walks())
def test_paging_backwards_neither_repeats_nor_skips_a_session_that_stays(walk: Walk) -> None:
    """Paging backwards is as complete as paging forwards."""
    check(walk, walk.backwards())


@given(walks())
def test_without_changes_all_pages_together_are_the_list(walk: Walk) -> None:
    """All pages together are the list, in both directions."""
    unchanged = Walk(walk.sessions, walk.order, [frozenset(ids_of(walk.sessions))], walk.sizes)
    whole = ids_of(ordered(walk.order, walk.sessions))

    assert unchanged.forwards() == whole
    assert unchanged.backwards() == whole
