"""Waits, queue positions and absences, compared with simple counts over the demo's sessions."""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo.desk import CYCLE_S
from gateway.demo.desk import Desk as DemoDesk
from gateway.demo.sessions import session_record
from gateway.demo.talk import BOT_HANDOVER
from gateway.demo.users import DEMO_USERS
from gateway.demo.wire import Wire
from gateway.errors import QueryTooComplexError
from gateway.records.dates import AsOf
from gateway.schema.entities.chat_decoder import complete, decode
from gateway.schema.entities.summary import (
    GROUPS,
    count_customers_away,
    summarise,
)
from gateway.schema.selecting import select
from gateway.schema.selecting.filters import ChatSessionFilter, IntRange
from gateway.schema.selecting.select import Selecting
from tests.demo.asking import NOON
from tests.schema.selecting.desk import at_once, columns_of
from tests.sessions.snapshots import snapshot_of

pytestmark = pytest.mark.slow

Json = dict[str, Any]


@st.composite
def desks(draw: st.DrawFn) -> tuple[list[Json], int]:
    """Draw the sessions of a demo user at some second, in any order, and that second."""
    seed = draw(st.integers(0, 50))
    now = NOON + draw(st.integers(0, 20 * CYCLE_S))
    user = draw(st.sampled_from(DEMO_USERS))
    moments = DemoDesk(sessions=16, seed=seed).moments(user, now)
    wire = Wire(zone="UTC", has_offset=True)
    sessions = orjson.loads(orjson.dumps([session_record(moment, wire) for moment in moments]))
    return draw(st.permutations(sessions)), now


def seconds(text: str) -> float:
    """Return a time of the demo as seconds since 1970, to the microsecond."""
    head, _, fraction = text.removesuffix("+0000").partition(".")
    moment = datetime.fromisoformat(head).replace(tzinfo=UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def is_set(text: str) -> bool:
    """Return whether a time is set."""
    return not text.startswith("0001")


def wait_of(session: Json, now: int) -> int:
    """Return a session's wait, computed from its status and times."""
    requested = seconds(session["WhenRequested"])
    match session["Status"]:
        case "InQueue":
            until = float(now)
        case "ClosedFromQueue":
            until = seconds(session["WhenEnded"])
        case _ if is_set(session["WhenStarted"]):
            until = seconds(session["WhenStarted"])
        case _:  # a bot is answering
            until = float(now)
    return int(until - requested)


def duration_of(session: Json, now: int) -> int | None:
    """Return the duration of a session's chat with an agent."""
    if session["Status"] in {"InQueue", "ClosedFromQueue"} or not is_set(session["WhenStarted"]):
        return None
    is_over = session["Status"] in {"Finished", "Closed"}
    until = seconds(session["WhenEnded"]) if is_over else now
    return int(until - seconds(session["WhenStarted"]))


def since(session: Json, time: str, now: int) -> int | None:
    """Return the seconds since one of a session's times, while it is open."""
    if session["Status"] in {"Finished", "Closed", "ClosedFromQueue"}:
        return None
    return int(now - seconds(session[time]))


def away_of(session: Json, now: int) -> int | None:
    """Return the seconds since the last poll of the customer's page."""
    return since(session, "WhenFetched", now)


def position_of(session: Json, sessions: list[Json]) -> int | None:
    """Return a session's position in the queue of its channel."""
    if session["Status"] != "InQueue":
        return None
    place = (session["WhenRequested"], session["ChatSessionId"])
    return 1 + sum(
        (other["WhenRequested"], other["ChatSessionId"]) < place
        for other in sessions
        if other["Status"] == "InQueue" and other["TopicId"] == session["TopicId"]
    )


def decoded(sessions: list[Json], now: int) -> list[Any]:
    """Return the sessions as decoded records at that second."""
    records = decode(orjson.dumps(sessions))
    complete(records, topic_names={10: "Support"})
    for record in records:
        record.as_of = AsOf(now * 1_000_000_000)
    return [*records]


@settings(max_examples=40)
@given(desks())
def test_times_and_queue_positions_equal_the_simple_counts(desk: tuple[list[Json], int]) -> None:
    """The sessions include ones that were reset, handed off, transferred, revived or left."""
    sessions, now = desk

    for session, record in zip(sessions, decoded(sessions, now), strict=True):
        assert record.wait_seconds == wait_of(session, now), session
        assert record.duration_seconds == duration_of(session, now), session
        assert record.customer_away_seconds == away_of(session, now), session
        assert record.idle_seconds == since(session, "WhenIdle", now), session
        assert record.queue_position == position_of(session, sessions), session
        assert record.topic_name == ("Support" if session["TopicId"] == 10 else None)


@settings(max_examples=40)
@given(desks(), st.integers(0, 120))
def test_the_summary_equals_the_simple_counts(desk: tuple[list[Json], int], threshold: int) -> None:
    """Waits per channel, the median of all, absences and ratings are compared."""
    sessions, now = desk
    waiting = [s for s in sessions if s["Status"] == "InQueue"]
    ratings = [s["Rating"] for s in sessions if s["Rating"]]

    columns = columns_of(decoded(sessions, now))
    result: Any = at_once(summarise(columns, range(len(sessions)), ""))

    waits = [wait_of(s, now) for s in waiting]
    assert result.longest_wait_seconds == max(waits, default=None)
    assert result.median_wait_seconds == (statistics.median(waits) if waits else None)
    assert (result.rated, result.average_rating) == (
        len(ratings),
        statistics.fmean(ratings) if ratings else None,
    )
    by_topic: Any = at_once(GROUPS["by_topic"](result))
    for row in by_topic:
        here = [wait_of(s, now) for s in waiting if s["TopicId"] == row.topic_id]
        assert (row.waiting, row.longest_wait_seconds) == (len(here), max(here, default=None))
    away = sum((away_of(s, now) or 0) >= threshold for s in sessions if away_of(s, now) is not None)
    assert at_once(count_customers_away(result, threshold)) == away


@settings(max_examples=40)
@given(desks(), st.sampled_from(["wait_seconds", "customer_away_seconds"]), st.integers(1, 300))
def test_the_next_change_of_a_time_filter_is_known(
    desk: tuple[list[Json], int], name: str, least_s: int
) -> None:
    """The next change is the first second at which other sessions match."""
    sessions, now = desk
    count = wait_of if name == "wait_seconds" else away_of

    def late(second: int) -> list[int]:
        return [n for n, s in enumerate(sessions) if (count(s, second) or 0) >= least_s]

    snapshot = snapshot_of(decoded(sessions, now), AsOf(now * 10**9))
    selecting = Selecting(snapshot, columns_of(snapshot.sessions), 10**6)
    condition = ChatSessionFilter(**{name: IntRange(min=least_s)})  # type: ignore[arg-type]

    rows, _ = at_once(selecting.rows(condition, None))
    due_ns = at_once(selecting.next_change(condition, rows))

    assert rows == late(now)
    others = (s for s in range(now + 1, now + 302) if late(s) != late(now))
    assert due_ns == next((second * 10**9 for second in others), None)


@pytest.mark.parametrize("fold", [0, 1])
def test_an_alarm_is_on_time_in_the_hour_that_occurs_twice(fold: int) -> None:
    """Its second follows from the same start as the seconds do."""
    oslo = ZoneInfo("Europe/Oslo")
    requested = datetime(2026, 10, 25, 2, 30, tzinfo=oslo, fold=fold)
    requested_ns = int(requested.timestamp()) * 10**9
    as_of = AsOf(requested_ns + 30 * 10**9, oslo)
    (record,) = decode(b'[{"Status":"InQueue","WhenRequested":"2026-10-25T02:30:00"}]')
    record.as_of = as_of
    selecting = Selecting(snapshot_of([record], as_of), columns_of([record]), 10**6)

    due_ns = at_once(selecting.next_change(ChatSessionFilter(wait_seconds=IntRange(min=60)), []))

    assert record.wait_seconds == 30
    assert due_ns == requested_ns + 60 * 10**9


AS_OF = AsOf(int(datetime(2026, 11, 23, 12, 1, tzinfo=UTC).timestamp()) * 10**9)


def selecting_from(texts: Sequence[str], most_work: int = 10**6) -> Selecting:
    """Select from sessions in the queue that were requested at these times."""
    sessions = decode(orjson.dumps([{"Status": "InQueue", "WhenRequested": t} for t in texts]))
    for session in sessions:
        session.as_of = AS_OF
    return Selecting(snapshot_of(sessions, AS_OF), columns_of(sessions), most_work)


def test_the_search_for_the_next_change_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some sessions that cross a bound without a change, an alarm may be too early."""
    monkeypatch.setattr(select, "_MOST_CROSSINGS", 2)
    selecting = selecting_from([f"2026-11-23T12:00:{second}Z" for second in (10, 20, 30, 40)])
    never = ChatSessionFilter(wait_seconds=IntRange(min=60), assigned=True)

    assert at_once(selecting.next_change(never, [])) == AS_OF.fetched_ns + 30 * 10**9


def test_the_search_for_the_next_change_is_charged() -> None:
    """It costs the parts of the filter and their bounds, for each session."""
    late = ChatSessionFilter(wait_seconds=IntRange(min=60))
    texts = ["2026-11-23T12:00:10Z"] * 5

    assert at_once(selecting_from(texts, 10).next_change(late, []))
    with pytest.raises(QueryTooComplexError):
        at_once(selecting_from(texts, 9).next_change(late, []))


def test_alarms_of_one_snapshot_share_the_times_of_its_sessions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For each further filter, only the session that changes first is read."""
    texts = [f"2026-11-23T12:00:{second}Z" for second in range(10, 60)]
    selecting = selecting_from(texts)
    first, later = (ChatSessionFilter(wait_seconds=IntRange(min=least)) for least in (60, 90))
    at_once(selecting.next_change(first, []))
    read, recent = list[str](), AsOf.recent

    def recording(as_of: AsOf, text: str) -> int | None:
        read.append(text)
        return recent(as_of, text)

    monkeypatch.setattr(AsOf, "recent", recording)

    assert at_once(selecting.next_change(later, [])) == AS_OF.fetched_ns + 40 * 10**9
    assert read == texts[:1]


def test_the_demo_has_every_kind_of_session() -> None:
    """The examples above include all special events in the life of a chat."""
    kinds = Counter[str]()
    for now in range(NOON, NOON + 3 * CYCLE_S, 20):
        moments = DemoDesk(sessions=30, seed=1).moments(DEMO_USERS[0], now)
        for session in (session_record(m, Wire(zone="UTC", has_offset=True)) for m in moments):
            is_waiting = session["Status"] == "InQueue"
            kinds["reset"] += is_waiting and is_set(str(session["WhenStarted"]))
            kinds["left"] += is_waiting and (away_of(session, now) or 0) > 30
            kinds["handed off"] += is_waiting and session["LastMessage"] in BOT_HANDOVER.values()
            kinds["transferred"] += session["TransferTo"] is not None
            kinds["revived"] += session["Status"] == "CustomerLast" and (
                str(session["LastMessage"]).endswith(" …")
            )

    assert min(kinds.values()) > 0, kinds
