"""Walking a connection page by page while sessions come and go between the pages."""

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
    """A desk, the order it is walked in, and which sessions are there at each page."""

    sessions: Sequence[Any]
    order: Order
    presences: Sequence[frozenset[int]]
    sizes: Sequence[int]

    def at(self, step: int) -> list[Any]:
        """Return the sessions that are there at a step; after the last change nothing changes."""
        there = self.presences[min(step, len(self.presences) - 1)]
        return [session for session in self.sessions if session.chat_session_id in there]

    def page(self, step: int, **arguments: Any) -> ChatSessionConnection:
        """Fetch a page at a step."""
        return page_of(self.at(step), self.order, **arguments)

    def forwards(self) -> list[int]:
        """Walk from the start to the end, as an infinite list does."""
        seen: list[int] = []
        after, step, has_more = None, 0, True
        while has_more:
            found = self.page(step, first=self.sizes[step % len(self.sizes)], after=after)
            seen += ids_of(edge.node for edge in found.edges)
            after, has_more = found.page_info.end_cursor or after, found.page_info.has_next_page
            step += 1
        return seen

    def backwards(self) -> list[int]:
        """Walk from the end to the start, as a chat's history does."""
        seen: list[int] = []
        before, step, has_more = None, 0, True
        while has_more:
            found = self.page(step, last=self.sizes[step % len(self.sizes)], before=before)
            seen = [*ids_of(edge.node for edge in found.edges), *seen]
            before, has_more = (
                found.page_info.start_cursor or before,
                found.page_info.has_previous_page,
            )
            step += 1
        return seen

    def stayed(self) -> set[int]:
        """Return the keys of the sessions that were there the whole time."""
        return set(frozenset.intersection(*self.presences))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Leave a value out now and then."""
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
    """Make a desk and what happens to it."""
    desk: list[Json] = draw(st.lists(sessions, min_size=1, max_size=12))
    ids = st.sampled_from(range(1, len(desk) + 1))
    presence = st.sets(ids).map(frozenset)
    staying = draw(st.sets(ids))
    presences = draw(st.lists(presence.map(lambda some: some | staying), min_size=1, max_size=6))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return Walk(records(*desk), draw(orders), presences, sizes)


def check(walk: Walk, seen: list[int]) -> None:
    """Nothing came twice, what stayed came, and all of it came in its order."""
    by_id = {session.chat_session_id: session for session in walk.sessions}
    places = [walk.order.place(by_id[number]) for number in seen]
    assert len(seen) == len(set(seen))
    assert walk.stayed() <= set(seen)
    assert all(before < after for before, after in pairwise(places))


@given(walks())
def test_walking_forwards_neither_repeats_nor_skips_a_session_that_stays(walk: Walk) -> None:
    """Whatever comes and goes meanwhile, and however large the pages are."""
    check(walk, walk.forwards())


@given(walks())
def test_walking_backwards_neither_repeats_nor_skips_a_session_that_stays(walk: Walk) -> None:
    """The other way round the same holds."""
    check(walk, walk.backwards())


@given(walks())
def test_on_a_quiet_desk_both_ways_give_the_whole_list(walk: Walk) -> None:
    """Where nothing changes, the pages put together are the list."""
    quiet = Walk(walk.sessions, walk.order, [frozenset(ids_of(walk.sessions))], walk.sizes)
    whole = ids_of(ordered(walk.order, walk.sessions))

    assert quiet.forwards() == whole
    assert quiet.backwards() == whole
