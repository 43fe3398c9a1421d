"""The life of a session: it arrives, waits, is answered, transferred, ended and replaced."""

from itertools import pairwise

import orjson
import pytest

from gateway.demo.desk import CYCLE_S, Desk
from gateway.demo.sessions import session_record
from gateway.demo.users import DEMO_USERS, DemoUser
from gateway.demo.wire import Record, Wire
from tests.demo.asking import KARI, NOON, sessions_of

pytestmark = pytest.mark.slow

UNSET = "0001-01-01T00:00:00"
SESSIONS = 24
LIVE = {"CustomerLast", "UserLast"}
OVER = {"Finished", "Closed", "ClosedFromQueue"}
FOLLOWING = {
    "InQueue": {"CustomerLast", "ClosedFromQueue"},
    "CustomerLast": {"UserLast", "InQueue", "Finished"},  # InQueue: handed off or reset
    "UserLast": {"CustomerLast", "Finished", "InQueue"},
    "Finished": {"Closed", "CustomerLast"},  # CustomerLast: revived
    "Closed": set(),
    "ClosedFromQueue": set(),
}

Film = list[list[Record]]


@pytest.fixture(scope="module")
def lives() -> Film:
    """Return every second of many sessions' lives, session by session."""
    desk = Desk(sessions=SESSIONS, seed=3)
    records_by_id: dict[object, list[Record]] = {}
    for now in range(NOON, NOON + 2 * CYCLE_S):
        for moment in desk.moments(KARI, now):
            records_by_id.setdefault(moment.session_id, []).append(session_record(moment, Wire()))
    return list(records_by_id.values())


def test_statuses_follow_each_other_in_a_valid_order(lives: Film) -> None:
    """No session is answered before it is accepted, and none changes after its end."""
    changes = {
        (before["Status"], after["Status"])
        for life in lives
        for before, after in pairwise(life)
        if before["Status"] != after["Status"]
    }

    assert all(after in FOLLOWING[str(before)] for before, after in changes)
    assert {after for _, after in changes} == LIVE | OVER | {"InQueue"}


@pytest.mark.parametrize("user", DEMO_USERS, ids=lambda user: user.login)
def test_a_customer_waits_at_any_time(user: DemoUser) -> None:
    """The queue of a demo with default settings is never empty."""
    desk = Desk(sessions=12, seed=1)
    waiting = [
        sum(session_record(moment, Wire())["Status"] == "InQueue" for moment in moments)
        for moments in (desk.moments(user, now) for now in range(NOON, NOON + 3 * CYCLE_S, 7))
    ]

    assert min(waiting) >= 1


def test_kari_nearly_always_has_a_chat() -> None:
    """Kari is logged in by default, so a query for the user's own chats has results."""
    desk = Desk(sessions=12, seed=1)
    has_chats = []
    for now in range(NOON, NOON + 20 * CYCLE_S, 41):
        records = [session_record(moment, Wire()) for moment in desk.moments(KARI, now)]
        live = [record for record in records if record["Status"] in LIVE]
        has_chats.append(any(b"Kari Nordmann" in orjson.dumps(record["User"]) for record in live))

    assert sum(has_chats) > 0.8 * len(has_chats)


def test_an_ended_session_is_replaced(lives: Film) -> None:
    """After one cycle every session has been replaced by another."""
    assert 2 * SESSIONS <= len(lives) <= 3 * SESSIONS
    assert all(len(life) <= CYCLE_S for life in lives)


def test_every_session_ends_before_it_is_replaced(lives: Film) -> None:
    """No session disappears in the middle of a chat."""
    whole = [life for life in lives if len(life) == CYCLE_S]

    assert whole
    assert all(life[-1]["Status"] in {"Closed", "ClosedFromQueue"} for life in whole)


def test_dates_agree_with_the_status(lives: Film) -> None:
    """WhenStarted is set once an agent accepts, even after a reset; WhenEnded once it is over."""
    for record in (record for life in lives for record in life):
        has_agent, is_reset = record["Rank"] != 0, record["Status"] == "InQueue"
        assert (record["WhenStarted"] != UNSET) == has_agent or is_reset
        assert (record["WhenEnded"] != UNSET) == (record["Status"] in OVER)


def test_times_are_in_order(lives: Film) -> None:
    """Requested, started, idle and ended never overtake each other, nor the clock."""
    for life in lives:
        for record in life:
            requested, idle = str(record["WhenRequested"]), str(record["WhenIdle"])
            assert requested <= idle
            assert requested <= str(record["WhenFetched"])
            assert record["WhenStarted"] == UNSET or requested <= str(record["WhenStarted"])
            assert record["WhenEnded"] == UNSET or idle <= str(record["WhenEnded"])


def test_no_date_is_in_the_future(lives: Film) -> None:
    """Dates that the clock has not reached are unset."""
    latest = max(str(record["WhenFetched"]) for life in lives for record in life)

    assert latest < Wire().date(NOON + 2 * CYCLE_S)


def test_the_customer_polls_while_the_session_is_open(lives: Film) -> None:
    """WhenFetched advances while it is open, and stops at its end or when the customer leaves."""
    sessions_left = 0
    for life in lives:
        over = [r["WhenFetched"] for r in life if r["Status"] == "Closed"]
        live = {r["WhenFetched"] for r in life if r["Status"] in LIVE}
        assert len(set(over)) <= 1
        sessions_left += len(live) < sum(r["Status"] in LIVE for r in life) // 4

    assert 0 < sessions_left < len(lives) / 4


def test_a_chat_can_return_to_an_earlier_status(lives: Film) -> None:
    """A chat can return from live to the queue, and from finished to live."""
    back = {
        (before["Status"] in LIVE, after["Status"])
        for life in lives
        for before, after in pairwise(life)
        if before["WhenStarted"] != UNSET
        and (before["Status"], after["Status"])
        in {("UserLast", "InQueue"), ("CustomerLast", "InQueue"), ("Finished", "CustomerLast")}
    }

    assert back == {(True, "InQueue"), (False, "CustomerLast")}


def test_some_sessions_begin_with_a_bot(lives: Film) -> None:
    """A bot's session has a live status and no agent."""
    bots = [record for life in lives for record in life if record["ChatbotIsActive"]]

    assert bots
    assert {record["Status"] for record in bots} == LIVE
    assert all(record["Rank"] == 0 for record in bots)


def test_transfers_are_accepted_or_declined(lives: Film) -> None:
    """A pending transfer ends, and only some transfers change the agent."""
    outcomes = set()
    for life in lives:
        for before, after in pairwise(life):
            if before["TransferTo"] is not None and after["TransferTo"] is None:
                outcomes.add(_text(before["User"]) != _text(after["User"]))

    assert outcomes == {True, False}


def _text(fragment: object) -> object:
    """Return the JSON of a ready-made nested record."""
    return getattr(fragment, "contents", fragment)


def test_the_last_message_changes_and_the_first_does_not(lives: Film) -> None:
    """The first message is the customer's question."""
    for life in (life for life in lives if any(r["Status"] == "Finished" for r in life)):
        assert len({record["FirstMessage"] for record in life}) == 1
    assert any(len({record["LastMessage"] for record in life}) > 5 for life in lives)


def test_flags_are_the_zero_member_unless_an_agent_types(lives: Film) -> None:
    """An idle session has CustomerIsTyping; only UserIsTyping has a meaning."""
    flags = [record["Flags"] for life in lives for record in life]

    assert set(flags) == {"CustomerIsTyping", "UserIsTyping"}
    assert flags.count("UserIsTyping") < flags.count("CustomerIsTyping") / 4


def test_ratings_come_after_the_end(lives: Film) -> None:
    """A rating of zero means none."""
    rated = {str(r["Status"]) for life in lives for r in life if r["Rating"]}

    assert rated == {"Finished", "Closed"}


def test_the_alert_level_rises_with_the_wait_time(lives: Film) -> None:
    """Customers who wait long are escalated."""
    assert {r["AlertLevel"] for life in lives for r in life if r["Status"] == "InQueue"} == {
        0,
        1,
        2,
    }


async def test_a_ticket_follows_its_chat() -> None:
    """A ticket is closed when its chat is over, and replied to when an agent has accepted."""
    for session in await sessions_of(KARI, sessions=200):
        if ticket := session["Ticket"]:
            is_over = session["Status"] in OVER
            assert ticket["BaseStatus"] == ("Closed" if is_over else "Active")
            assert (ticket["ClosedAt"] != UNSET) == is_over
            assert ticket["RepliedAt"] == session["WhenStarted"]
            assert ticket["CustId"] == (session["Person"] or {"PersonId": -1})["PersonId"]


@pytest.mark.parametrize("now", [0, NOON, 4_000_000_000])
def test_keys_are_32_bit_numbers_at_any_time(now: int) -> None:
    """A clock that is wrong by decades does not break the demo."""
    ids = [moment.session_id for moment in Desk(sessions=200, seed=1).moments(KARI, now)]

    assert len(set(ids)) == 200
    assert all(0 < number < 2**31 for number in ids)
