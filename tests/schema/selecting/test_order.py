"""`orderBy`: each key, both ways, with what is missing last and ties in their place."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInputError
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, Order, order_of
from tests.schema.selecting.desk import OSLO, Desk, Json, ids_of, ordered, records

ASC, DESC = Direction.ASC, Direction.DESC
BOTH_WAYS = pytest.mark.parametrize("way", [ASC, DESC])

# The key, its REST name, and values that rise.
KEYS: list[tuple[str, str, list[Any]]] = [
    ("chat_session_id", "ChatSessionId", [-3, 1, 2, 900]),
    ("topic_id", "TopicId", [-1, 0, 4, 50]),
    ("status", "Status", ["Invalid", "PreChatForm", "InQueue", "Finished", "ClosedFromQueue"]),
    ("status_group", "Status", ["PreChatForm", "InQueue", "UserLast", "Closed"]),
    ("alert_level", "AlertLevel", [0, 1, 2, 10]),
    ("rank", "Rank", [0, 1, 2, 10]),
    ("rating", "Rating", [0, 1, 5]),
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
def test_sessions_come_by_a_key(key: str, rest: str, rising: list[Any], way: Direction) -> None:
    """Small before large, or large before small."""
    desk = records(*({rest: value} for value in [*rising[1::2], *rising[::2]]))
    expected = values(records(*({rest: value} for value in rising)), key)

    found = values(ordered(order_of(by((key, way))), desk), key)

    assert found == (expected if way is ASC else expected[::-1])


@by_key
@BOTH_WAYS
def test_what_is_missing_comes_last(key: str, rest: str, rising: list[Any], way: Direction) -> None:
    """Null, missing and malformed values stand behind the others, whichever way."""
    odd: list[Json] = [{rest: None}, {} if rest != "ChatSessionId" else {rest: None}, {rest: {}}]
    desk = records(*odd, {rest: rising[0]}, *odd, {rest: rising[-1]})

    found = ordered(order_of(by((key, way))), desk)

    assert found[:2] == ([desk[3], desk[7]] if way is ASC else [desk[7], desk[3]])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("key", "rest", "name"), [("user", "User", "FullName"), ("contact", "Contact", "Name")]
)
def test_linked_records_come_by_their_names(key: str, rest: str, name: str, way: Direction) -> None:
    """Case and accents make no difference; a session without the link comes last."""
    names = ["Émile", "ada", "Bjørn"]
    desk = records({}, *({rest: {f"{rest}Id": 5, "AssociateId": 5, name: each}} for each in names))

    found = ids_of(ordered(order_of(by((key, way))), desk))

    assert found == ([3, 4, 2, 1] if way is ASC else [2, 4, 3, 1])


@BOTH_WAYS
def test_a_status_that_is_not_known_comes_last(way: Direction) -> None:
    """It has no number to sort by."""
    desk = records({"Status": "Revived"}, {"Status": "Faq"}, {"Status": 99}, {"Status": "Closed"})

    found = ids_of(ordered(order_of(by(("status", way))), desk))

    assert found == ([2, 4, 1, 3] if way is ASC else [4, 2, 1, 3])


@BOTH_WAYS
@pytest.mark.parametrize("unset", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_an_unset_date_is_missing(unset: str, way: Direction) -> None:
    """REST's "no date" is not an early one."""
    desk = records({"WhenStarted": unset}, {"WhenStarted": "1999-01-01T00:00:00"})

    assert ids_of(ordered(order_of(by(("when_started", way))), desk)) == [2, 1]


@BOTH_WAYS
def test_what_is_equal_comes_by_its_key(way: Direction) -> None:
    """Ties end on `chatSessionId`, upwards, whichever way the rest goes."""
    desk = records(*({"ChatSessionId": n, "TopicId": 1} for n in (3, 1, 2)))

    assert ids_of(ordered(order_of(by(("topic_id", way))), desk)) == [1, 2, 3]


@BOTH_WAYS
def test_missing_values_are_equal(way: Direction) -> None:
    """Sessions without a value come by their key too."""
    desk = records(*({"ChatSessionId": n} for n in (3, 1, 2)))

    assert ids_of(ordered(order_of(by(("rating", way))), desk)) == [1, 2, 3]


def test_what_is_equal_in_everything_stays_in_rests_order() -> None:
    """Sorting is stable."""
    desk = records(*({"ChatSessionId": 7, "CustomerName": name} for name in "bca"))

    assert [s.customer_name for s in ordered(Order(), desk)] == ["b", "c", "a"]


def test_the_first_key_weighs_most() -> None:
    """Each further key sorts what is equal until then."""
    pairs = [(1, 5), (2, 5), (1, 9), (2, 9), (None, 7), (1, None)]
    desk = records(*({"TopicId": topic, "Rating": rating} for topic, rating in pairs))

    found = ordered(order_of(by(("topic_id", DESC), ("rating", ASC))), desk)

    assert ids_of(found) == [2, 4, 1, 3, 6, 5]


def test_a_key_may_come_twice() -> None:
    """The first one decides; the second finds nothing left to sort."""
    desk = records({"TopicId": 1}, {"TopicId": 2})

    assert ids_of(ordered(order_of(by(("topic_id", DESC), ("topic_id", ASC))), desk)) == [2, 1]


def test_upper_and_lower_case_and_accents_of_names_make_no_difference() -> None:
    """Names that read alike come by key."""
    desk = records(*({"CustomerName": name} for name in ["ÉMILE", "emile", "Émile", "Emil"]))

    assert ids_of(ordered(order_of(by(("customer_name", ASC))), desk)) == [4, 1, 2, 3]


def test_times_with_offsets_come_by_instant() -> None:
    """What the clock on the wall shows is not what counts."""
    desk = records(
        {"WhenIdle": "2026-11-23T12:00:00+01:00"},
        {"WhenIdle": "2026-11-23T10:30:00Z"},
        {"WhenIdle": "2026-11-23T06:15:00-0500"},
    )

    assert ids_of(ordered(order_of(by(("when_idle", ASC))), desk)) == [2, 1, 3]


def test_every_digit_of_a_time_counts() -> None:
    """One tick of REST's clock, 100 ns, is enough to come before."""
    ticks = range(100)
    desk = records(*({"WhenIdle": f"2026-11-23T12:00:00.{tick:07}Z"} for tick in ticks))

    assert ids_of(ordered(order_of(by(("when_idle", DESC))), desk)) == ids_of(desk)[::-1]


def test_times_without_offset_come_in_the_zone_that_is_known() -> None:
    """12:00 in Oslo is before 11:30 in London."""
    times = ("2026-11-23T11:30:00Z", "2026-11-23T12:00:00")
    desk = records(*({"WhenIdle": time} for time in times), zone=OSLO)

    assert ids_of(ordered(order_of(by(("when_idle", ASC))), desk)) == [2, 1]


@given(st.lists(st.sampled_from([None, 1, 2, 3]), max_size=12), st.sampled_from([ASC, DESC]))
def test_every_session_is_still_there(topics: list[int | None], way: Direction) -> None:
    """Sorting loses none and makes none up."""
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
def test_an_entry_names_one_key(entry: ChatSessionOrder, count: int) -> None:
    """The order of an object's fields means nothing, so several keys are several entries."""
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
)
async def test_a_list_without_keys_is_in_rests_order(order_by: Any, ids: list[int]) -> None:
    """Null and the empty list ask for no order; one entry is a list of one."""
    query = "query ($o: [ChatSessionOrder!]) { chatSessions(orderBy: $o) { chatSessionId } }"

    data = await Desk(DESK).ask(query, {"o": order_by})

    assert [session["chatSessionId"] for session in data["chatSessions"]] == ids


@pytest.mark.parametrize("entry", [{}, {"topicId": None}, {"topicId": "ASC", "rank": "ASC"}])
@pytest.mark.parametrize("field", ["chatSessions", "chatSessionConnection"])
async def test_a_bad_entry_is_the_clients_fault(field: str, entry: Json) -> None:
    """Wherever an order is asked for, and says which entry it is."""
    query = f"query ($o: [ChatSessionOrder!]) {{ {field}(orderBy: $o) {{ __typename }} }}"

    assert "`orderBy[0]`" in await Desk(DESK).refusal(query, {"o": [entry]})


async def test_more_keys_than_there_are_fields_are_refused() -> None:
    """Each costs time for every session."""
    order = [{"rank": "ASC"}] * 16
    query = "query ($o: [ChatSessionOrder!]) { chatSessions(orderBy: $o) { id } }"

    told = await Desk([{}]).refusal(query, {"o": order})

    assert told == "`orderBy` has 16 keys; at most 15 are used."
