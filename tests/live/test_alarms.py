"""Alarms: filters on seconds, for which the clock adds and removes sessions without REST calls."""

import datetime as dt
import gc
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamTimeoutError, UpstreamUnauthenticatedError
from gateway.live.changes import Comparison
from gateway.live.state import SECOND_NS, Alarm, LaterSessions, State
from gateway.records.dates import AsOf
from gateway.schema.selecting import columns as columns_module
from gateway.schema.selecting import select
from gateway.schema.selecting.filters import ChatSessionFilter, IntRange
from gateway.schema.selecting.select import Selecting
from tests.live.clock import Clock
from tests.live.desk import Json, Screen, caller, session
from tests.schema.selecting.desk import NOON_NS, at_once, columns_of, matching, records
from tests.sessions.snapshots import snapshot_of
from tests.waiting import until

TIMES = ["WhenRequested", "WhenIdle", "WhenFetched"]
CHANGES = """
subscription {
  chatSessionChanges(filter: %s) { changes { kind session { chatSessionId } } }
}
"""
LIST = """
subscription {
  chatSessions(filter: %s) { chatSessionId waitSeconds idleSeconds customerAwaySeconds fetchedAt }
}
"""
COUNT = "subscription { chatSessionSummary(filter: %s) { total longestWaitSeconds } }"
LATE = "{ waitSeconds: { min: 60, max: 89 } }"


def ago(seconds: float) -> str:
    """Return the time this many seconds before the desk starts."""
    moment = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC) - dt.timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def waiting(number: int, seconds: float, **more: Any) -> Json:
    """Return a session that has waited this long when the desk starts."""
    return session(number, WhenRequested=ago(seconds), **more)


def changes_of(screen: Screen) -> list[Any]:
    """Return kinds and keys in the events after the first."""
    return [
        [(change["kind"], change["session"]["chatSessionId"]) for change in answer["changes"]]
        for answer in screen.answers[1:]
    ]


def test_subscribers_share_the_sessions_of_a_second() -> None:
    """Timers of one second fire at different moments of it."""
    state = State(snapshot_of(records({}), AsOf(NOON_NS)), Comparison(()))

    later = state.at(NOON_NS + 5 * SECOND_NS + 1)

    assert state.at(NOON_NS + 6 * SECOND_NS - 1) is later
    assert later.as_of.now_ns == NOON_NS + 5 * SECOND_NS


async def test_the_clock_adds_a_session_and_removes_it(clock: Callable[..., Clock]) -> None:
    """A session is added and removed at whole seconds, without REST calls and further wake-ups."""
    desk = clock(waiting(1, 50), waiting(2, 30.5), waiting(3, 0, Status="UserLast"))
    desk.desk.sessions[2]["WhenStarted"] = ago(0)
    async with desk.screen(CHANGES % LATE) as screen:
        await desk.at(9.999)
        assert changes_of(screen) == []
        await desk.at(10)
        assert changes_of(screen) == [[("ADDED", 1)]]
        await desk.at(29.999)
        assert len(changes_of(screen)) == 1
        for second in (30, 39, 40, 59, 60, 3_000):
            await desk.at(second)

    assert changes_of(screen)[1:] == [[("ADDED", 2)], [("REMOVED", 1)], [("REMOVED", 2)]]
    assert desk.desk.calls == ["kari"]
    assert desk.wakes == 5


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("waitSeconds", "WhenRequested"),
        ("idleSeconds", "WhenIdle"),
        ("customerAwaySeconds", "WhenFetched"),
    ],
)
async def test_every_root_field_has_alarms(
    clock: Callable[..., Clock], name: str, time: str
) -> None:
    """Each root field has alarms for each kind of seconds, which are as of the event."""
    desk = clock(session(1, **{**dict.fromkeys(TIMES, ago(0)), time: ago(5)}))
    filter_ = f"{{ {name}: {{ min: 60 }} }}"
    async with AsyncExitStack() as stack:
        listed, counted, changed = [
            await stack.enter_async_context(desk.screen(query % filter_))
            for query in (LIST, COUNT, CHANGES)
        ]
        await desk.at(55)

    (added,) = listed.answers[1]
    seconds = {"waitSeconds": 55, "idleSeconds": 55, "customerAwaySeconds": 55, name: 60}
    assert listed.answers[0] == []
    assert added == {"chatSessionId": 1, "fetchedAt": "2026-11-23T12:00:00.000Z", **seconds}
    assert counted.answers[1] == {"total": 1, "longestWaitSeconds": seconds["waitSeconds"]}
    assert changes_of(changed) == [[("ADDED", 1)]]
    assert desk.desk.calls == ["kari"]
    assert desk.wakes == 6


@pytest.mark.parametrize(
    "filter_",
    [
        "null",
        "{ rating: { max: 5 }, alertLevel: { min: 0 }, not: { assigned: true } }",
        '{ whenRequested: { from: "2026-11-23T11:00:00Z" } }',
        "{ waitSeconds: { max: null }, idleSeconds: {} }",
        "{ statusGroup: { in: [LIVE] }, waitSeconds: { min: 60 } }",
        "{ and: [{ waitSeconds: { min: 60 } }, { customerAwaySeconds: { max: 9 } }] }",
        "{ or: [{ waitSeconds: { min: 60 } }, { topicId: { in: [4] } }] }",
        "{ not: { or: [{ waitSeconds: { min: 60 } }, { topicId: { in: [4] } }] } }",
        "{ and: [{ waitSeconds: { min: 60 } }, { waitSeconds: { max: 20 } }] }",
    ],
)
async def test_no_watcher_wakes_if_the_clock_changes_nothing(
    clock: Callable[..., Clock], filter_: str
) -> None:
    """Without a filter on seconds that decides about a session, no watcher wakes."""
    times = dict.fromkeys(TIMES, ago(20))
    desk = clock(session(1, TopicId=4, Rating=3, AlertLevel=1, **times))
    async with desk.screen(LIST % filter_) as screen, desk.screen(CHANGES % filter_) as other:
        for second in (10, 40, 41, 600, 3_000):
            await desk.at(second)

    assert len(screen.answers) == len(other.answers) == 1
    assert screen.errors == other.errors == []
    assert desk.wakes == 2
    assert desk.desk.calls == ["kari"]


@pytest.mark.parametrize(
    "filter_",
    [
        "{ or: [{ topicId: { in: [9] } }, { waitSeconds: { min: 60 } }] }",
        "{ and: [{ statusGroup: { in: [WAITING] } }, { waitSeconds: { min: 60 } }] }",
        "{ not: { waitSeconds: { max: 59 } } }",
        "{ not: { and: [{ not: { or: [{ waitSeconds: { min: 60 } }] } }] } }",
    ],
)
async def test_an_alarm_can_be_deep_in_a_filter(clock: Callable[..., Clock], filter_: str) -> None:
    """An alarm can be in `and`, `or` and `not`."""
    desk = clock(waiting(1, 20))
    async with desk.screen(CHANGES % filter_) as screen:
        await desk.at(39)
        await desk.at(40)
        await desk.at(600)

    assert changes_of(screen) == [[("ADDED", 1)]]
    assert desk.wakes == 2


async def test_a_session_that_has_ended_raises_no_alarm(
    clock: Callable[..., Clock],
) -> None:
    """A session that ends before its alarm wakes no watcher."""
    desk = clock(waiting(1, 20))
    async with desk.screen(CHANGES % "{ waitSeconds: { min: 60 } }") as screen:
        await desk.at(30)
        desk.desk.sessions = [waiting(1, 20, Status="ClosedFromQueue", WhenEnded=ago(-25))]
        desk.desk.watchers.poll()
        await until(lambda: desk.wakes == 2)
        await desk.at(600)

    assert changes_of(screen) == []
    assert desk.wakes == 2
    assert len(desk.desk.calls) == 2


async def test_alarms_continue_while_rest_is_down(clock: Callable[..., Clock]) -> None:
    """While REST is down, alarms use the last known sessions."""
    desk = clock(waiting(1, 20))
    async with desk.screen(CHANGES % "{ waitSeconds: { min: 60 } }") as screen:
        desk.desk.failure = UpstreamTimeoutError("late")
        await desk.at(1)
        desk.desk.watchers.poll()
        await until(lambda: len(desk.desk.calls) == 2)
        await desk.at(40)

    assert changes_of(screen) == [[("ADDED", 1)]]
    assert screen.errors == []


async def test_alarms_make_no_polls_while_rest_is_down(clock: Callable[..., Clock]) -> None:
    """After a failure polls become rare, also for those who have an alarm every two seconds."""
    desk = clock(*(waiting(seconds, seconds) for seconds in range(0, 60, 2)))
    desk.desk.rhythm.interval_s = 5
    async with desk.screen(COUNT % "{ waitSeconds: { min: 60 } }") as screen:
        desk.desk.failure = UpstreamTimeoutError("late")
        desk.desk.watchers.poll()
        for second in range(0, 61, 2):
            await desk.at(second)

    assert len(screen.answers) == 1 + 30
    assert len(desk.desk.calls) == 1 + 5  # after 0, 2.5, 7.5, 17.5 and 37.5 seconds


async def test_no_alarm_shows_sessions_after_a_rejection(clock: Callable[..., Clock]) -> None:
    """A query was rejected since the last poll: the next alarm ends the subscription."""
    desk = clock(waiting(1, 50))
    async with desk.screen(CHANGES % LATE) as screen:
        desk.desk.failure = UpstreamUnauthenticatedError("no")
        await desk.at(2)
        with pytest.raises(UpstreamUnauthenticatedError):
            await desk.desk.source.serve(caller(), max_age_s=0)
        await desk.at(11)
        await until(lambda: screen.is_over)

    assert screen.answers[1:] == [None]
    assert screen.codes == ["UNAUTHENTICATED"]


async def test_a_later_subscriber_gets_the_current_list(
    clock: Callable[..., Clock],
) -> None:
    """The first event includes what the clock has changed since the poll."""
    desk = clock(waiting(1, 20))
    async with desk.screen("subscription { chatSessions { chatSessionId } }"):
        await desk.at(50)
        async with desk.screen(LIST % LATE) as screen:
            await desk.at(69.5)

    assert [[s["waitSeconds"] for s in answer] for answer in screen.answers] == [[70]]
    assert desk.desk.calls == ["kari"]


async def test_screens_share_the_values_of_an_alarm(
    clock: Callable[..., Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Screens share the values that are read for an alarm, and free them afterwards."""
    desk, reads = clock(waiting(1, 20), waiting(2, 10)), Counter[str]()
    original = columns_module.reader

    def counting_reader(name: str) -> Any:
        def reading(record: Any) -> Any:
            reads[name] += record.as_of.passed_ns == 40_000_000_000
            return original(name)(record)

        return reading

    monkeypatch.setattr(columns_module, "reader", counting_reader)
    async with AsyncExitStack() as stack:
        screens = [
            await stack.enter_async_context(desk.screen(query % "{ waitSeconds: { min: 60 } }"))
            for query in (CHANGES, COUNT, LIST) * 20
        ]
        before = reads.copy()
        await desk.at(40)
        gc.collect()
        later_sessions = [o for o in gc.get_objects() if isinstance(o, LaterSessions)]

        assert [changes_of(screen) for screen in screens[::3]] == [[[("ADDED", 1)]]] * 20
        assert set((reads - before).values()) == {2}  # once for each session
        assert len(later_sessions) <= 1
        await desk.at(50)
    assert desk.desk.calls == ["kari"]
    assert desk.wakes == 20 * 3 + 2 * (3 + 19)  # equal ones share all but their first events


async def test_the_search_for_the_next_change_is_limited(
    clock: Callable[..., Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search stops after many crossings without a change; waking then sends nothing."""
    monkeypatch.setattr(select, "_MOST_CROSSINGS", 3)
    filter_ = "{ or: [{ waitSeconds: { max: 50 } }, { waitSeconds: { min: 51 } }] }"
    desk = clock(*(waiting(number, number) for number in range(1, 7)))
    async with desk.screen(CHANGES % filter_) as screen:
        await desk.at(47)
        assert desk.wakes == 1
        await desk.at(600)

    assert changes_of(screen) == []
    assert desk.wakes == 2


async def test_alarms_do_not_change_the_shared_snapshot(clock: Callable[..., Clock]) -> None:
    """The clock changes neither the sessions of the shared snapshot nor its attachments."""
    desk = clock(waiting(1, 20))
    watching = caller()
    async with (
        desk.desk.watchers.watching(watching) as watcher,
        aclosing(watcher.states(Alarm())) as states,
        desk.screen(LIST % LATE) as screen,
    ):
        state = await anext(states)
        assert isinstance(state, State)
        (shared,), size = state.snapshot.sessions, state.snapshot.attachments.size_bytes
        await desk.at(40)

    assert len(screen.answers) == 2
    assert (shared.wait_seconds, shared.as_of) == (20, state.snapshot.as_of)
    assert state.snapshot.attachments.size_bytes == size
    assert state.at(NOON_NS) is state.snapshot


seconds = st.integers(0, 12)
ranges = st.tuples(st.none() | seconds, st.none() | seconds).map(
    lambda ends: IntRange(min=ends[0], max=None if ends[1] is None else ends[1] + (ends[0] or 0))
)
parts = st.builds(
    ChatSessionFilter,
    wait_seconds=st.none() | ranges,
    idle_seconds=st.none() | ranges,
    customer_away_seconds=st.none() | ranges,
)
filters = st.recursive(
    parts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: ChatSessionFilter(and_=each)),
        st.lists(inner, max_size=3).map(lambda each: ChatSessionFilter(or_=each)),
        inner.map(lambda unwanted: ChatSessionFilter(not_=unwanted)),
    ),
    max_leaves=3,
)
times = st.floats(-2, 12).map(ago) | st.integers(-2, 12).map(ago) | st.sampled_from([None, "odd"])
desks = st.lists(
    st.fixed_dictionaries(
        {"Status": st.sampled_from(["InQueue", "UserLast", "Closed", "ClosedFromQueue", "Odd"])},
        optional=dict.fromkeys([*TIMES, "WhenStarted", "WhenEnded"], times),
    ),
    max_size=4,
)


@given(desks, filters, st.sampled_from([0, 0.25]))
def test_an_alarm_is_due_at_the_first_changed_poll(
    sessions: list[Json], filter_: ChatSessionFilter, later_s: float
) -> None:
    """An alarm is due exactly when a poll would first give another answer, for any filter."""
    now_ns = NOON_NS + round(later_s * SECOND_NS)

    def polled(moment_ns: int) -> list[int]:
        return matching(records(*sessions, fetched_ns=moment_ns), **vars(filter_))

    held = snapshot_of(records(*sessions, fetched_ns=now_ns), AsOf(now_ns))
    selecting = Selecting(held, columns_of(held.sessions), 10**6)
    rows, _ = at_once(selecting.rows(filter_, None))

    due_ns = at_once(selecting.next_change(filter_, rows))

    moments = (NOON_NS + second * SECOND_NS for second in range(1, 40))
    changed = (moment for moment in moments if polled(moment) != polled(now_ns))
    assert due_ns == next(changed, None)
