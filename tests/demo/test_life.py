"""Sessions live: they arrive, wait, are talked in, handed over, ended and replaced."""

from itertools import pairwise

import orjson
import pytest

from gateway.demo.desk import CYCLE_S, Desk
from gateway.demo.sessions import session_record
from gateway.demo.users import DEMO_USERS, DemoUser
from gateway.demo.wire import Record, Wire
from tests.demo.asking import KARI, NOON, sessions_of

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
    """Every second of many sessions' lives, session by session."""
    desk = Desk(sessions=SESSIONS, seed=3)
    seen: dict[object, list[Record]] = {}
    for now in range(NOON, NOON + 2 * CYCLE_S):
        for moment in desk.moments(KARI, now):
            seen.setdefault(moment.session_id, []).append(session_record(moment, Wire()))
    return list(seen.values())


def test_statuses_follow_each_other_sensibly(lives: Film) -> None:
    """Nobody is answered before being picked up, and nothing happens after the end."""
    changes = {
        (before["Status"], after["Status"])
        for life in lives
        for before, after in pairwise(life)
        if before["Status"] != after["Status"]
    }

    assert all(after in FOLLOWING[str(before)] for before, after in changes)
    assert {after for _, after in changes} == LIVE | OVER | {"InQueue"}


@pytest.mark.parametrize("user", DEMO_USERS, ids=lambda user: user.login)
def test_somebody_waits_at_any_time(user: DemoUser) -> None:
    """Whoever looks at the queue of a demo as it starts by itself sees how it works."""
    desk = Desk(sessions=12, seed=1)
    waiting = [
        sum(session_record(moment, Wire())["Status"] == "InQueue" for moment in moments)
        for moments in (desk.moments(user, now) for now in range(NOON, NOON + 3 * CYCLE_S, 7))
    ]

    assert min(waiting) >= 1


def test_kari_is_hardly_ever_without_a_chat() -> None:
    """Whoever asks for the chats of the one who is logged in by default nearly always sees some."""
    desk = Desk(sessions=12, seed=1)
    has_chats = []
    for now in range(NOON, NOON + 20 * CYCLE_S, 41):
        records = [session_record(moment, Wire()) for moment in desk.moments(KARI, now)]
        live = [record for record in records if record["Status"] in LIVE]
        has_chats.append(any(b"Kari Nordmann" in orjson.dumps(record["User"]) for record in live))

    assert sum(has_chats) > 0.8 * len(has_chats)


def test_a_slot_goes_on_with_a_new_session(lives: Film) -> None:
    """After one cycle every session has made room for another."""
    assert 2 * SESSIONS <= len(lives) <= 3 * SESSIONS
    assert all(len(life) <= CYCLE_S for life in lives)


def test_every_life_reaches_its_end_before_the_next_begins(lives: Film) -> None:
    """No session is cut off in the middle of a talk."""
    whole = [life for life in lives if len(life) == CYCLE_S]

    assert whole
    assert all(life[-1]["Status"] in {"Closed", "ClosedFromQueue"} for life in whole)


def test_dates_agree_with_the_status(lives: Film) -> None:
    """Started means an agent has accepted, also before a reset; ended means it is over."""
    for record in (record for life in lives for record in life):
        has_agent, is_reset = record["Rank"] != 0, record["Status"] == "InQueue"
        assert (record["WhenStarted"] != UNSET) == has_agent or is_reset
        assert (record["WhenEnded"] != UNSET) == (record["Status"] in OVER)


def test_times_come_in_order(lives: Film) -> None:
    """Requested, started, idle and ended never overtake each other, nor the clock."""
    for life in lives:
        for record in life:
            requested, idle = str(record["WhenRequested"]), str(record["WhenIdle"])
            assert requested <= idle
            assert requested <= str(record["WhenFetched"])
            assert record["WhenStarted"] == UNSET or requested <= str(record["WhenStarted"])
            assert record["WhenEnded"] == UNSET or idle <= str(record["WhenEnded"])


def test_no_date_is_in_the_future(lives: Film) -> None:
    """What the clock has not reached is not told."""
    latest = max(str(record["WhenFetched"]) for life in lives for record in life)

    assert latest < Wire().date(NOON + 2 * CYCLE_S)


def test_the_customer_polls_while_the_session_is_open(lives: Film) -> None:
    """WhenFetched moves on all the time, and stands still afterwards, or once the customer left."""
    left = 0
    for life in lives:
        over = [r["WhenFetched"] for r in life if r["Status"] == "Closed"]
        live = {r["WhenFetched"] for r in life if r["Status"] in LIVE}
        assert len(set(over)) <= 1
        left += len(live) < sum(r["Status"] in LIVE for r in life) // 4

    assert 0 < left < len(lives) / 4


def test_a_chat_can_go_back(lives: Film) -> None:
    """From the talk into the queue, and from the end into the talk."""
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
    """A bot's session looks live, with no agent."""
    bots = [record for life in lives for record in life if record["ChatbotIsActive"]]

    assert bots
    assert {record["Status"] for record in bots} == LIVE
    assert all(record["Rank"] == 0 for record in bots)


def test_transfers_are_accepted_or_declined(lives: Film) -> None:
    """A pending transfer ends, and the agent changes on some of them only."""
    outcomes = set()
    for life in lives:
        for before, after in pairwise(life):
            if before["TransferTo"] is not None and after["TransferTo"] is None:
                outcomes.add(_text(before["User"]) != _text(after["User"]))

    assert outcomes == {True, False}


def _text(fragment: object) -> object:
    """Return the JSON of a ready-made nested record."""
    return getattr(fragment, "contents", fragment)


def test_messages_move_on_and_the_first_stays(lives: Film) -> None:
    """The first message is the question; the last one changes as people talk."""
    for life in (life for life in lives if any(r["Status"] == "Finished" for r in life)):
        assert len({record["FirstMessage"] for record in life}) == 1
    assert any(len({record["LastMessage"] for record in life}) > 5 for life in lives)


def test_flags_are_the_zero_member_unless_an_agent_types(lives: Film) -> None:
    """An idle session says CustomerIsTyping; only UserIsTyping means something."""
    flags = [record["Flags"] for life in lives for record in life]

    assert set(flags) == {"CustomerIsTyping", "UserIsTyping"}
    assert flags.count("UserIsTyping") < flags.count("CustomerIsTyping") / 4


def test_ratings_come_after_the_end(lives: Film) -> None:
    """Zero stands for none."""
    rated = {str(r["Status"]) for life in lives for r in life if r["Rating"]}

    assert rated == {"Finished", "Closed"}


def test_alerts_rise_with_the_wait(lives: Film) -> None:
    """Who waits long is escalated."""
    assert {r["AlertLevel"] for life in lives for r in life if r["Status"] == "InQueue"} == {
        0,
        1,
        2,
    }


async def test_tickets_move_along_with_their_chat() -> None:
    """A ticket is closed when its chat is over, and read once an agent has come."""
    for session in await sessions_of(KARI, sessions=200):
        if ticket := session["Ticket"]:
            is_over = session["Status"] in OVER
            assert ticket["BaseStatus"] == ("Closed" if is_over else "Active")
            assert (ticket["ClosedAt"] != UNSET) == is_over
            assert ticket["RepliedAt"] == session["WhenStarted"]
            assert ticket["CustId"] == (session["Person"] or {"PersonId": -1})["PersonId"]


@pytest.mark.parametrize("now", [0, NOON, 4_000_000_000])
def test_keys_are_32_bit_numbers_at_any_time(now: int) -> None:
    """A clock that is wrong by decades does no harm."""
    ids = [moment.session_id for moment in Desk(sessions=200, seed=1).moments(KARI, now)]

    assert len(set(ids)) == 200
    assert all(0 < number < 2**31 for number in ids)
