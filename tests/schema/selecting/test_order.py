"""`orderBy`: each key in both directions, missing values last, and a fixed order of ties."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInputError
from gateway.schema.selecting import ordering
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, Order, order_of
from tests.schema.selecting.desk import OSLO, Desk, Json, ids_of, ordered, records

ASC, DESC = Direction.ASC, Direction.DESC
BOTH_WAYS = pytest.mark.parametrize("way", [ASC, DESC])

# The key, its REST name, and values in ascending order.
KEYS: list[tuple[str, str, list[Any]]] = [
    ("chat_session_id", "ChatSessionId", [-3, 1, 2, 900]),
    ("topic_id", "TopicId", [-1, 0, 4, 50]),
    ("status", "Status", ["Invalid", "PreChatForm", "InQueue", "Finished", "ClosedFromQueue"]),
    ("status_group", "Status", ["PreChatForm", "InQueue", "UserLast", "Closed"]),
    ("alert_level", "AlertLevel", [0, 1, 2, 10]),
    ("rank", "Rank", [0, 1, 2, 10]),
    ("rating", "Rating", [1, 2, 5]),
    ("initial_queue_pos", "InitialQueuePos", [1, 2, 10]),
    ("customer_name", "CustomerName", ["", "ada", "Bjørn", "Björna", "CECIL", "émile", "Frida"]),
    *(
        (
            name,
            rest,
            [
                "2025-12-31T23:59:59",
                "2026-01-01T00:00:00",
                "2026-01-01T00:00:00.0000001",
                "2026-01-01T00:00:00.12",
                "9999-12-31T23:59:59.9999999",
            ],
        )
        for name, rest in [
            ("when_requested", "WhenRequested"),
            ("when_started", "WhenStarted"),
            ("when_ended", "WhenEnded"),
            ("when_idle", "WhenIdle"),
        ]
    ),
]
by_key = pytest.mark.parametrize(("key", "rest", "rising"), KEYS, ids=[key for key, _, _ in KEYS])


def values(sessions: Iterable[Any], key: str) -> list[Any]:
    """Return a field of each session."""
    return [getattr(session, key) for session in sessions]


def by(*keys: tuple[str, Direction]) -> list[ChatSessionOrder]:
    """Make an `orderBy` of keys."""
    return [ChatSessionOrder(**{key: way}) for key, way in keys]


@by_key
@BOTH_WAYS
def test_sessions_are_sorted_by_a_key(
    key: str, rest: str, rising: list[Any], way: Direction
) -> None:
    """The order is ascending or descending."""
    desk = records(*({rest: value} for value in [*rising[1::2], *rising[::2]]))
    expected = values(records(*({rest: value} for value in rising)), key)

    result = values(ordered(order_of(by((key, way))), desk), key)

    assert result == (expected if way is ASC else expected[::-1])


@by_key
@BOTH_WAYS
def test_missing_values_come_last(key: str, rest: str, rising: list[Any], way: Direction) -> None:
    """Null, missing and malformed values follow the others in both directions."""
    odd: list[Json] = [{rest: None}, {} if rest != "ChatSessionId" else {rest: None}, {rest: {}}]
    desk = records(*odd, {rest: rising[0]}, *odd, {rest: rising[-1]})

    result = ordered(order_of(by((key, way))), desk)

    assert result[:2] == ([desk[3], desk[7]] if way is ASC else [desk[7], desk[3]])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("key", "rest", "name"), [("user", "User", "FullName"), ("contact", "Contact", "Name")]
)
def test_linked_records_are_sorted_by_their_names(
    key: str, rest: str, name: str, way: Direction
) -> None:
    """Case and accents make no difference; a session without the link comes last."""
    names = ["Émile", "ada", "Bjørn"]
    desk = records({}, *({rest: {f"{rest}Id": 5, "AssociateId": 5, name: each}} for each in names))

    ids = ids_of(ordered(order_of(by((key, way))), desk))

    assert ids == ([3, 4, 2, 1] if way is ASC else [2, 4, 3, 1])


@BOTH_WAYS
def test_an_unknown_status_comes_last(way: Direction) -> None:
    """An unknown status has no number to sort by."""
    desk = records({"Status": "Revived"}, {"Status": "Faq"}, {"Status": 99}, {"Status": "Closed"})

    ids = ids_of(ordered(order_of(by(("status", way))), desk))

    assert ids == ([2, 4, 1, 3] if way is ASC else [4, 2, 1, 3])


@BOTH_WAYS
@pytest.mark.parametrize("unset", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_an_unset_date_is_missing(unset: str, way: Direction) -> None:
    """SuperOffice's "no date" is not an early date."""
    desk = records({"WhenStarted": unset}, {"WhenStarted": "1999-01-01T00:00:00"})

    assert ids_of(ordered(order_of(by(("when_started", way))), desk)) == [2, 1]


@BOTH_WAYS
def test_a_rating_of_zero_is_missing(way: Direction) -> None:
    """A customer who gave no rating is not the least happy one."""
    desk = records({"Rating": 0}, {"Rating": 1})

    assert ids_of(ordered(order_of(by(("rating", way))), desk)) == [2, 1]


@BOTH_WAYS
def test_ties_are_sorted_by_key(way: Direction) -> None:
    """Equal sessions are in ascending order of `chatSessionId`, in both directions."""
    desk = records(*({"ChatSessionId": n, "TopicId": 1} for n in (3, 1, 2)))

    assert ids_of(ordered(order_of(by(("topic_id", way))), desk)) == [1, 2, 3]


@BOTH_WAYS
def test_missing_values_are_equal(way: Direction) -> None:
    """Sessions without a value are sorted by key too."""
    desk = records(*({"ChatSessionId": n} for n in (3, 1, 2)))

    assert ids_of(ordered(order_of(by(("rating", way))), desk)) == [1, 2, 3]


def test_completely_equal_sessions_keep_the_order_of_the_rest_api() -> None:
    """Sorting is stable."""
    desk = records(*({"ChatSessionId": 7, "CustomerName": name} for name in "bca"))

    assert [s.customer_name for s in ordered(Order(), desk)] == ["b", "c", "a"]


def test_the_first_key_has_priority() -> None:
    """Each further key sorts the sessions that are equal so far."""
    pairs = [(1, 5), (2, 5), (1, 9), (2, 9), (None, 7), (1, None)]
    desk = records(*({"TopicId": topic, "Rating": rating} for topic, rating in pairs))

    result = ordered(order_of(by(("topic_id", DESC), ("rating", ASC))), desk)

    assert ids_of(result) == [2, 4, 1, 3, 6, 5]


def test_a_key_may_be_repeated() -> None:
    """The first use decides, and the second has no effect."""
    desk = records({"TopicId": 1}, {"TopicId": 2})

    assert ids_of(ordered(order_of(by(("topic_id", DESC), ("topic_id", ASC))), desk)) == [2, 1]


def test_case_and_accents_of_names_make_no_difference() -> None:
    """Names that differ only in these are sorted by key."""
    desk = records(*({"CustomerName": name} for name in ["ÉMILE", "emile", "Émile", "Emil"]))

    assert ids_of(ordered(order_of(by(("customer_name", ASC))), desk)) == [4, 1, 2, 3]


def test_times_with_offsets_are_sorted_by_instant() -> None:
    """Wall times do not matter."""
    desk = records(
        {"WhenIdle": "2026-11-23T12:00:00+01:00"},
        {"WhenIdle": "2026-11-23T10:30:00Z"},
        {"WhenIdle": "2026-11-23T06:15:00-0500"},
    )

    assert ids_of(ordered(order_of(by(("when_idle", ASC))), desk)) == [2, 1, 3]


def test_every_digit_of_a_time_counts() -> None:
    """One tick of SuperOffice's clock, 100 ns, makes a difference."""
    ticks = range(100)
    desk = records(*({"WhenIdle": f"2026-11-23T12:00:00.{tick:07}Z"} for tick in ticks))

    assert ids_of(ordered(order_of(by(("when_idle", DESC))), desk)) == ids_of(desk)[::-1]


def test_times_without_an_offset_are_in_the_known_zone() -> None:
    """12:00 in Oslo is before 11:30 in London."""
    times = ("2026-11-23T11:30:00Z", "2026-11-23T12:00:00")
    desk = records(*({"WhenIdle": time} for time in times), zone=OSLO)

    assert ids_of(ordered(order_of(by(("when_idle", ASC))), desk)) == [2, 1]


@BOTH_WAYS
def test_a_long_list_is_sorted_in_runs(monkeypatch: pytest.MonkeyPatch, way: Direction) -> None:
    """A list that is longer than a run is in order as a whole."""
    monkeypatch.setattr(ordering, "_RUN", 2)
    desk = records(*({"TopicId": topic} for topic in (3, 1, 5, 4, 2)))
    rising = [2, 5, 1, 4, 3]

    ids = ids_of(ordered(order_of(by(("topic_id", way))), desk))

    assert ids == (rising if way is ASC else rising[::-1])


@given(st.lists(st.sampled_from([None, 1, 2, 3]), max_size=12), st.sampled_from([ASC, DESC]))
def test_sorting_keeps_every_session(topics: list[int | None], way: Direction) -> None:
    """No session is lost or added."""
    desk = records(*({"TopicId": topic} for topic in topics))

    assert sorted(ids_of(ordered(order_of(by(("topic_id", way))), desk))) == ids_of(desk)


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        (ChatSessionOrder(), 0),
        (ChatSessionOrder(topic_id=ASC, status=ASC), 2),
        (ChatSessionOrder(topic_id=ASC, status=ASC, rank=DESC), 3),
    ],
)
def test_an_entry_has_one_key(entry: ChatSessionOrder, count: int) -> None:
    """The order of an object's fields has no meaning, so several keys need several entries."""
    with pytest.raises(BadUserInputError, match=rf"`orderBy\[1\]` .* one field, not {count}"):
        order_of([ChatSessionOrder(topic_id=ASC), entry])


DESK = [{"ChatSessionId": n, "TopicId": -n} for n in (2, 3, 1)]


@pytest.mark.parametrize(
    ("order_by", "ids"),
    [
        (None, [2, 3, 1]),
        ([], [2, 3, 1]),
        ([{"topicId": "ASC"}], [3, 2, 1]),
        ({"topicId": "DESC"}, [1, 2, 3]),
        ([{"topicId": "ASC", "status": None}], [3, 2, 1]),
    ],
    ids=str,
)
async def test_a_list_without_keys_has_the_order_of_the_rest_api(
    order_by: Any, ids: list[int]
) -> None:
    """Null and the empty list have no keys; a single entry is a list of one."""
    query = "query ($o: [ChatSessionOrder!]) { chatSessions(orderBy: $o) { chatSessionId } }"

    data = await Desk(DESK).ask(query, {"o": order_by})

    assert [session["chatSessionId"] for session in data["chatSessions"]] == ids


@pytest.mark.parametrize(
    "entry", [{}, {"topicId": None}, {"topicId": "ASC", "rank": "ASC"}], ids=str
)
@pytest.mark.parametrize("field", ["chatSessions", "chatSessionConnection"])
async def test_an_invalid_entry_is_bad_input(field: str, entry: Json) -> None:
    """The message has the index of the entry, in lists and connections."""
    query = f"query ($o: [ChatSessionOrder!]) {{ {field}(orderBy: $o) {{ __typename }} }}"

    assert "`orderBy[0]`" in await Desk(DESK).refusal(query, {"o": [entry]})


async def test_more_keys_than_there_are_fields_are_refused() -> None:
    """Each key takes time for every session."""
    order = [{"rank": "ASC"}] * 16
    query = "query ($o: [ChatSessionOrder!]) { chatSessions(orderBy: $o) { id } }"

    error = await Desk([{}]).refusal(query, {"o": order})

    assert error == "`orderBy` has 16 keys, more than 15."
