"""The parts of a filter, except times and text search, which have their own files."""

from typing import Any

import pytest

from gateway.errors import BadUserInputError
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus
from gateway.schema.selecting.filters import (
    ChatSessionStatusFilter,
    ChatSessionStatusGroupFilter,
    IntRange,
    KeyFilter,
)
from tests.schema.selecting.desk import Json, matching, records

# The part of the filter, and a function that makes a session with this key.
KEYS: list[tuple[str, Any]] = [
    ("chat_session_id", lambda key: {"ChatSessionId": key}),
    ("topic_id", lambda key: {"TopicId": key}),
    ("user_id", lambda key: {"User": {"AssociateId": key}}),
    ("person_id", lambda key: {"Person": {"PersonId": key}}),
    ("contact_id", lambda key: {"Contact": {"ContactId": key}}),
    ("project_id", lambda key: {"Project": {"ProjectId": key}}),
    ("sale_id", lambda key: {"Sale": {"SaleId": key}}),
    ("ticket_id", lambda key: {"Ticket": {"TicketId": key}}),
]
LINKED = [part for part in KEYS if part[0] not in {"chat_session_id", "topic_id"}]
by_key = pytest.mark.parametrize(("part", "having"), KEYS, ids=[part for part, _ in KEYS])
by_link = pytest.mark.parametrize(("part", "having"), LINKED, ids=[part for part, _ in LINKED])

FLAGS = [("chatbot_is_active", "ChatbotIsActive"), ("customer_consented", "CustomerConsented")]


@by_key
def test_in_matches_the_given_keys(part: str, having: Any) -> None:
    """Of three sessions, those with a key in the list match."""
    desk = records(having(11), having(12), having(13))

    ids = matching(desk, **{part: KeyFilter(in_=[11, 13, 99])})

    assert ids == [desk[0].chat_session_id, desk[2].chat_session_id]


@by_key
def test_not_in_matches_the_other_keys(part: str, having: Any) -> None:
    """Of three sessions, those with a key that is not in the list match."""
    desk = records(having(11), having(12), having(13))

    ids = matching(desk, **{part: KeyFilter(not_in=[12, 99])})

    assert ids == [desk[0].chat_session_id, desk[2].chat_session_id]


@by_key
def test_in_and_not_in_both_hold(part: str, having: Any) -> None:
    """A key that is in both lists does not match."""
    desk = records(having(11), having(12))

    ids = matching(desk, **{part: KeyFilter(in_=[11, 12], not_in=[12])})

    assert ids == [desk[0].chat_session_id]


@by_key
def test_in_an_empty_list_matches_nothing(part: str, having: Any) -> None:
    """An empty list is not the same as no list."""
    assert matching(records(having(11), {}), **{part: KeyFilter(in_=[])}) == []


@by_key
def test_not_in_an_empty_list_matches_everything(part: str, having: Any) -> None:
    """An empty `notIn` also matches a session without the key."""
    desk = records(having(11), {})

    assert len(matching(desk, **{part: KeyFilter(not_in=[])})) == 2


@by_key
def test_a_comparison_without_lists_matches_everything(part: str, having: Any) -> None:
    """Without `in` and `notIn` nothing is restricted."""
    desk = records(having(11), {})

    assert len(matching(desk, **{part: KeyFilter()})) == 2


@by_link
@pytest.mark.parametrize(
    "absent",
    [
        pytest.param(lambda link, _: {}, id="missing"),
        pytest.param(lambda link, _: {link: None}, id="null"),
        pytest.param(lambda link, _: {link: {}}, id="empty"),
        pytest.param(lambda link, key: {link: {key: 0}}, id="blank"),
        pytest.param(lambda link, _: {link: "odd"}, id="malformed"),
        pytest.param(lambda link, key: {link: {key: "odd"}}, id="malformed key"),
    ],
)
def test_a_session_without_the_link_is_never_in(part: str, having: Any, absent: Any) -> None:
    """In each of SuperOffice's forms of no record, the key is neither 0 nor any other."""
    ((link, linked),) = having(7).items()
    desk = records(absent(link, *linked))

    assert matching(desk, **{part: KeyFilter(in_=[0, 7])}) == []
    assert matching(desk, **{part: KeyFilter(not_in=[0, 7])}) == [1]


@pytest.mark.parametrize("part", ["chat_session_id", "topic_id"])
@pytest.mark.parametrize("odd", ["seven", None, 2**40], ids=["text", "null", "too large"])
def test_an_invalid_key_is_never_in(part: str, odd: object) -> None:
    """An invalid value from SuperOffice is handled like a missing one."""
    rest = {"chat_session_id": "ChatSessionId", "topic_id": "TopicId"}[part]
    (session,) = records({rest: odd})
    matches_in = matching([session], **{part: KeyFilter(in_=[7])})
    matches_not_in = matching([session], **{part: KeyFilter(not_in=[7])})

    assert (len(matches_in), len(matches_not_in)) == (0, 1)


STATUSES: tuple[Json, ...] = (
    {"Status": "InQueue"},
    {"Status": "CustomerLast"},
    {"Status": 4},
    {"Status": "Revived"},
    {"Status": "Invalid"},
    {"Status": ""},
    {"Status": None},
    {"Status": True},
    {},
)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (ChatSessionStatusFilter(in_=[ChatSessionStatus.IN_QUEUE]), [1, 3]),
        (ChatSessionStatusFilter(in_=[ChatSessionStatus.UNRECOGNIZED]), [4]),
        (ChatSessionStatusFilter(in_=list(ChatSessionStatus)), [1, 2, 3, 4, 5]),
        (ChatSessionStatusFilter(in_=[]), []),
        (ChatSessionStatusFilter(not_in=[ChatSessionStatus.IN_QUEUE]), [2, 4, 5, 6, 7, 8, 9]),
        (ChatSessionStatusFilter(not_in=list(ChatSessionStatus)), [6, 7, 8, 9]),
        (ChatSessionStatusFilter(), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_status_is_compared_as_it_is_shown(
    condition: ChatSessionStatusFilter, ids: list[int]
) -> None:
    """SuperOffice's names and numbers are one status; a missing status is never `in`."""
    assert matching(records(*STATUSES), status=condition) == ids


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (ChatSessionStatusGroupFilter(in_=[StatusGroup.WAITING]), [1, 3]),
        (ChatSessionStatusGroupFilter(in_=[StatusGroup.WAITING, StatusGroup.LIVE]), [1, 2, 3]),
        (ChatSessionStatusGroupFilter(in_=[]), []),
        (ChatSessionStatusGroupFilter(not_in=[StatusGroup.WAITING]), [2, 4, 5, 6, 7, 8, 9]),
        (ChatSessionStatusGroupFilter(not_in=list(StatusGroup)), [4, 5, 6, 7, 8, 9]),
        (ChatSessionStatusGroupFilter(), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_status_group_is_compared_as_it_is_shown(
    condition: ChatSessionStatusGroupFilter, ids: list[int]
) -> None:
    """A status without a group is never `in`."""
    assert matching(records(*STATUSES), status_group=condition) == ids


@pytest.mark.parametrize(("part", "rest"), FLAGS)
@pytest.mark.parametrize(("condition", "ids"), [(True, [1]), (False, [2])])
def test_an_unknown_flag_matches_neither_value(
    part: str, rest: str, condition: bool, ids: list[int]
) -> None:
    """Null, missing and malformed flags are neither true nor false."""
    desk = records({rest: True}, {rest: False}, {rest: None}, {rest: "yes"}, {rest: 1}, {})

    assert matching(desk, **{part: condition}) == ids


@pytest.mark.parametrize(
    ("part", "link"), [("assigned", "User"), ("transfer_pending", "TransferTo")]
)
@pytest.mark.parametrize(("condition", "ids"), [(True, [1, 2]), (False, [3, 4, 5, 6])])
def test_a_session_either_has_an_agent_or_none(
    part: str, link: str, condition: bool, ids: list[int]
) -> None:
    """Each session matches one of the two; every form of no agent counts as none."""
    desk = records(
        {link: {"AssociateId": 7}},
        {link: {"AssociateId": 0, "Name": "EXT"}},
        {link: None},
        {link: {}},
        {link: {"AssociateId": 0, "Name": "", "TableRight": {"Mask": "FULL"}}},
        {},
    )

    assert matching(desk, **{part: condition}) == ids


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (IntRange(min=1), [3, 4]),
        (IntRange(max=1), [1, 2, 3]),
        (IntRange(min=0, max=1), [2, 3]),
        (IntRange(min=1, max=1), [3]),
        (IntRange(min=5), []),
        (IntRange(), [1, 2, 3, 4]),
    ],
)
def test_a_range_of_numbers_includes_both_ends(condition: IntRange, ids: list[int]) -> None:
    """A session without the number is in no range, not even in one without ends."""
    levels: list[object] = [-1, 0, 1, 2, None, "high"]
    desk = records(*({"AlertLevel": level} for level in levels), {})

    assert matching(desk, alert_level=condition) == ids


def test_a_reversed_range_of_numbers_is_refused() -> None:
    """A reversed range could only match nothing; the message has the schema's names."""
    with pytest.raises(BadUserInputError, match=r"`alertLevel\.min` is greater than `alertLevel"):
        matching([], alert_level=IntRange(min=2, max=1))


def test_every_part_has_to_hold() -> None:
    """Several parts are joined by "and"."""
    desk = records({"TopicId": 1, "AlertLevel": 2}, {"TopicId": 1, "AlertLevel": 0}, {"TopicId": 2})

    ids = matching(desk, topic_id=KeyFilter(in_=[1]), alert_level=IntRange(min=1))

    assert ids == [1]


def test_no_filter_matches_everything() -> None:
    """Without a filter all sessions are listed."""
    desk = records({}, {"TopicId": 1})

    assert matching(desk) == [1, 2]


def test_computed_seconds_and_ratings_are_numbers_too() -> None:
    """Seconds are as of the snapshot; a session without the value, or rated 0, does not match."""
    times = {"WhenRequested": "2026-11-23T11:58:00Z", "WhenIdle": "2026-11-23T11:59:00Z"}
    desk = records(
        {"Status": "InQueue", **times, "WhenFetched": "2026-11-23T11:59:30Z", "Rating": 5},
        {"Status": "InQueue", "WhenRequested": "2026-11-23T11:59:59Z", "Rating": 1},
        {"Status": "InQueue", "Rating": 0},
        {"Status": "InQueue"},
    )

    assert matching(desk, wait_seconds=IntRange(min=120)) == [1]
    assert matching(desk, wait_seconds=IntRange(max=119)) == [2]
    assert matching(desk, idle_seconds=IntRange(min=60, max=60)) == [1]
    assert matching(desk, customer_away_seconds=IntRange(min=30)) == [1]
    assert matching(desk, rating=IntRange(max=2)) == [2]
