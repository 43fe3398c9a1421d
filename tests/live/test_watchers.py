"""Watchers: the number of REST calls, the delivery of changes, and failures."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import (
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.live import state as state_module
from gateway.live import watcher as watcher_module
from gateway.live.changes import Changes
from gateway.live.state import Alarm, State
from tests.live.clock import Clock
from tests.live.desk import Desk, caller, session
from tests.waiting import until

STATUS = "subscription { chatSessions { chatSessionId status } }"
QUEUE = [{"chatSessionId": 1, "status": "IN_QUEUE"}]
TAKEN = [{"chatSessionId": 1, "status": "USER_LAST"}]
LONG_S = 300.0


async def test_all_screens_of_a_caller_share_their_polls() -> None:
    """Twenty screens of a caller cost one REST call."""
    desk = Desk(interval_s=LONG_S)
    async with AsyncExitStack() as stack:
        screens = [await stack.enter_async_context(desk.screen(STATUS)) for _ in range(20)]
        for screen in screens:
            assert await screen.shows(1) == QUEUE

    assert desk.calls == ["kari"]


async def test_each_caller_has_its_own_polls() -> None:
    """Each caller costs its own REST calls, as REST answers each differently."""
    desk = Desk(interval_s=LONG_S)
    users = ["kari", "jonas", "emma"]
    async with AsyncExitStack() as stack:
        for user in users * 4:
            screen = await stack.enter_async_context(desk.screen(STATUS, user))
            await screen.shows(1)

    assert sorted(desk.calls) == sorted(users)


async def test_screens_of_many_callers_cost_one_call_for_each_caller_and_interval() -> None:
    """A hundred screens of ten callers cost ten calls, and ten more for the next change."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with AsyncExitStack() as stack:
        for number in range(100):
            await stack.enter_async_context(desk.screen(STATUS, f"user {number % 10}"))
        await until(lambda: len(desk.calls) == 10)
        desk.notify()
        await until(lambda: len(desk.calls) == 20)

    assert {desk.calls.count(f"user {n}") for n in range(10)} == {2}


@pytest.mark.parametrize("is_fresh", [True, False])
async def test_the_first_event_comes_from_the_cache(is_fresh: bool) -> None:
    """The first event uses a fresh cached snapshot, without a REST call, and no older one."""
    desk = Desk(interval_s=LONG_S)
    await desk.source.serve(caller())
    desk.sessions = [session(1, "UserLast")]
    desk.ahead_s = 0 if is_fresh else 7

    async with desk.screen(STATUS) as screen:
        assert await screen.shows(1) == (QUEUE if is_fresh else TAKEN)

    assert len(desk.calls) == (1 if is_fresh else 2)


@pytest.mark.parametrize("age_s", [0, 7], ids=["fresh", "past its TTL"])
async def test_a_new_screen_is_not_behind_a_query(age_s: float) -> None:
    """What a query has read since the last poll is shown to the new screen, and to all others."""
    desk = Desk(interval_s=LONG_S, slowest_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, "UserLast")]
        desk.ahead_s = 2
        await desk.source.serve(caller(), max_age_s=1)
        desk.ahead_s += age_s
        async with desk.screen(STATUS) as other:
            assert await other.shows(1) == TAKEN
        assert await screen.shows(2) == TAKEN

    assert len(desk.calls) == 2


async def test_polls_stop_after_the_last_screen() -> None:
    """Polls continue until the last screen of a caller has left."""
    desk = Desk()
    async with desk.watchers.watching(caller()) as watcher:
        async with desk.watchers.watching(caller()) as same, desk.screen(STATUS):
            await desk.wait_for_polls(2)
        await desk.wait_for_polls(2)
    assert same is watcher
    calls = len(desk.calls)
    await asyncio.sleep(0.05)

    assert len(desk.calls) <= calls + 1  # a call that has started may end
    assert not desk.watchers._watchers


async def test_a_slow_screen_gets_the_latest_state_only() -> None:
    """A slow screen gets the latest state and none of those before."""
    desk = Desk()
    async with desk.screen(STATUS, is_stuck=True) as screen:
        assert await screen.shows(1) == QUEUE
        for status in ("CustomerLast", "Finished", "UserLast"):
            desk.sessions = [session(1, status)]
            await desk.wait_for_polls(2)
        screen.is_reading.set()

        assert await screen.shows(2) == TAKEN
        await desk.wait_for_polls(3)

    assert screen.answers == [QUEUE, TAKEN]


@pytest.mark.parametrize(("many", "in_thread"), [(0, True), (1_000, False)])
async def test_changes_are_computed_once_for_all_readers(
    many: int, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers at the same time share one comparison; a thread makes it for many sessions."""
    monkeypatch.setattr(state_module, "_MANY", many)
    desk = Desk()
    async with (
        desk.watchers.watching(caller()) as watcher,
        aclosing(watcher.states(Alarm())) as states,
    ):
        first, second = await anext(states), await anext(states)
    assert isinstance(first, State)
    assert isinstance(second, State)
    comparisons: list[bool] = []

    def compare(*_: Sequence[Any]) -> Changes:
        comparisons.append(threading.current_thread() is not threading.main_thread())
        return Changes([], [], [])

    other = State(second.snapshot, compare)  # type: ignore[arg-type]
    changes = await asyncio.gather(*(other.since(first) for _ in range(3)))

    assert comparisons == [in_thread]
    assert len({id(one) for one in changes}) == 1


REJECTIONS = pytest.mark.parametrize(
    ("failure", "code"),
    [
        (UpstreamUnauthenticatedError("no"), "UNAUTHENTICATED"),
        (UpstreamForbiddenError("no"), "FORBIDDEN"),
    ],
    ids=["401", "403"],
)


@REJECTIONS
async def test_rejected_credentials_end_a_subscription(failure: UpstreamError, code: str) -> None:
    """A subscription ends with an error when SuperOffice rejects its credentials."""
    desk = Desk()
    async with desk.screen(STATUS) as screen, desk.screen(STATUS) as other:
        await screen.shows(1)
        await other.shows(1)
        desk.failure = failure
        await until(lambda: screen.is_over and other.is_over)

    assert screen.answers == other.answers == [QUEUE, None]
    assert screen.codes == other.codes == [code]
    assert screen.errors[0]["path"] == ["chatSessions"]


@REJECTIONS
async def test_a_rejection_of_a_query_ends_subscriptions(failure: UpstreamError, code: str) -> None:
    """A new subscription gets no sessions from before the rejection, and ends the older one."""
    desk = Desk(interval_s=LONG_S, slowest_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.failure = failure
        with pytest.raises(type(failure)):
            await desk.source.serve(caller(), max_age_s=0)
        async with desk.screen(STATUS) as other:
            assert await other.shows(1) is None
            await until(lambda: screen.is_over and other.is_over)

    assert (screen.answers, other.answers) == ([QUEUE, None], [None])
    assert screen.codes == other.codes == [code]


async def test_a_rejection_in_another_language_counts() -> None:
    """A new subscription gets nothing that a query read before the rejection, past its TTL."""
    desk = Desk(interval_s=LONG_S, slowest_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        await desk.source.serve(caller(), max_age_s=0)
        desk.ahead_s = 7
        desk.failure = UpstreamUnauthenticatedError("no")
        with pytest.raises(UpstreamUnauthenticatedError):
            await desk.source.serve(Caller((*caller().headers, (b"accept-language", b"nb"))))
        async with desk.screen(STATUS) as other:
            assert await other.shows(1) is None


async def test_a_new_subscription_after_a_rejection_calls_rest() -> None:
    """A new subscription calls REST again, even while rejected ones have not left yet."""
    desk = Desk(failure=UpstreamUnauthenticatedError("no"))
    async with desk.watchers.watching(caller()) as watcher:
        with pytest.raises(UpstreamUnauthenticatedError):
            await anext(watcher.states(Alarm()))
        desk.failure = None
        async with desk.watchers.watching(caller()) as other:
            state = await anext(other.states(Alarm()))

    assert other is not watcher
    assert isinstance(state, State)
    assert len(state.snapshot.sessions) == 1


async def test_an_outage_of_rest_sends_nothing() -> None:
    """During an outage nothing is sent; after it, the new state is sent once."""
    desk = Desk()
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.failure = UpstreamTimeoutError("late")
        await desk.wait_for_polls(3)
        desk.sessions, desk.failure = [session(1, "UserLast")], None
        await screen.shows(2)
        await desk.wait_for_polls(2)

    assert screen.answers == [QUEUE, TAKEN]
    assert screen.errors == []


@pytest.mark.parametrize("query", [STATUS, "subscription { chatSessionChanges { isInitial } }"])
async def test_a_screen_that_starts_in_an_outage_gets_an_error(query: str) -> None:
    """A screen that starts in an outage gets one error, then the first state after it."""
    desk = Desk(failure=UpstreamTimeoutError("late"))
    async with desk.screen(query) as screen:
        await desk.wait_for_polls(3)
        desk.failure = None
        first = await screen.shows(2)

    assert screen.codes == ["UPSTREAM_TIMEOUT"]
    assert screen.answers[0] is None
    assert first in (QUEUE, {"isInitial": True})


@pytest.mark.parametrize("has_query", [False, True])
async def test_a_screen_that_starts_after_an_outage(has_query: bool) -> None:
    """It gets what a query has read since; otherwise the error, and the sessions by a new poll."""
    desk = Desk(failure=UpstreamTimeoutError("late"), interval_s=LONG_S, slowest_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.failure = None
        if has_query:
            await desk.source.serve(caller())
        else:
            desk.ahead_s = 2 * LONG_S
        async with desk.screen(STATUS) as other:
            assert await other.shows(1 if has_query else 2) == QUEUE
            assert await screen.shows(2) == QUEUE

    assert other.codes == ([] if has_query else ["UPSTREAM_TIMEOUT"])
    assert len(desk.calls) == 2


async def test_screens_that_start_in_an_outage_share_a_poll_for_each_interval() -> None:
    """All clients subscribe again when a proxy restarts."""
    desk = Desk(failure=UpstreamTimeoutError("late"), interval_s=LONG_S, slowest_s=LONG_S)
    async with AsyncExitStack() as screens:
        for _ in range(5):
            screen = await screens.enter_async_context(desk.screen(STATUS))
            await screen.shows(1)
    assert len(desk.calls) == 1


async def test_a_screen_that_starts_during_a_failing_poll_shares_it() -> None:
    """Otherwise polls would follow one another while clients subscribe again."""
    desk = Desk(failure=UpstreamTimeoutError("late"), interval_s=LONG_S, slowest_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.ahead_s = 2 * LONG_S
        desk.is_answering.clear()
        async with desk.screen(STATUS), desk.screen(STATUS):
            await until(lambda: len(desk.calls) == 2)
            async with desk.screen(STATUS) as last:
                await last.shows(1)
                desk.is_answering.set()
                await asyncio.sleep(0.05)

    assert len(desk.calls) == 2


async def test_an_alarm_waits_while_there_is_no_state() -> None:
    """After a rejection there is nothing to show until the next poll, whatever the clock says."""
    desk = Desk(interval_s=LONG_S, slowest_s=LONG_S)
    german = Caller((*caller().headers, (b"accept-language", b"de")))
    async with desk.watchers.watching(caller()) as watcher:
        alarm, later = Alarm(), Alarm()
        async with aclosing(watcher.states(alarm)) as states:
            await anext(states)
            alarm.due_ns, desk.ahead_s = 1, 7
            desk.failure = UpstreamUnauthenticatedError("no")
            with pytest.raises(UpstreamUnauthenticatedError):
                await desk.source.serve(german)
            desk.failure = UpstreamTimeoutError("late")
            assert await anext(watcher.states(later)) is desk.failure
            reading, times = desk.source.clock_ns, 0

            def count() -> int:
                nonlocal times
                times += 1
                return reading()

            desk.source.clock_ns = count
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(states)

    assert times < 10


@pytest.mark.parametrize(("age_s", "is_shown"), [(0, True), (3_600, False)])
async def test_a_screen_that_joins_others_in_an_outage(age_s: float, is_shown: bool) -> None:
    """A screen that joins others in an outage gets their state unless it is too old."""
    desk = Desk(slowest_s=10, interval_s=5)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        await desk.source.serve(caller(), max_age_s=0)
        desk.failure = UpstreamTimeoutError("late")
        desk.watchers.poll()
        await until(lambda: len(desk.calls) == 3)
        for _ in range(50):
            await asyncio.sleep(0)  # by then the failure is stored
        desk.ahead_s = age_s
        async with desk.screen(STATUS) as other:
            answer = await other.shows(1)
            await asyncio.sleep(0.02)

    assert answer == (QUEUE if is_shown else None)
    assert len(other.answers) == 1
    assert other.codes == ([] if is_shown else ["UPSTREAM_TIMEOUT"])


async def test_retry_after_delays_the_next_poll() -> None:
    """A Retry-After of REST delays the next poll, also if a webhook arrives."""
    desk = Desk(failure=UpstreamRateLimitedError("slow down", retry_after_s=60))
    async with desk.screen(STATUS):
        await until(lambda: len(desk.calls) == 1)
        desk.notify()
        await asyncio.sleep(0.05)

    assert len(desk.calls) == 1


async def test_a_long_retry_after_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Retry-After of a day does not stop a caller's screens for a day."""
    monkeypatch.setattr(watcher_module, "LONGEST_AFTER_FAILURE_S", 0.01)
    desk = Desk(failure=UpstreamRateLimitedError("slow down", retry_after_s=86_400))
    async with desk.screen(STATUS) as screen:
        await until(lambda: len(desk.calls) == 1)
        desk.failure = None

        assert await screen.shows(2) == QUEUE

    assert screen.errors[0]["extensions"]["retryAfter"] == 86_400


async def test_in_a_maintenance_with_retry_after_there_is_a_poll_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A poll a minute, however long Retry-After is, and a part of an interval that spreads them."""
    clock = Clock(monkeypatch)
    desk = clock.desk
    desk.rhythm.interval_s = 5
    desk.failure = UpstreamUnavailableError("maintenance", retry_after_s=7_200)
    async with clock.screen(STATUS):
        for minute in range(1, 10):
            await clock.at(minute * 66 - 5)
            await clock.at(minute * 66)
            assert len(desk.calls) == 1 + minute


async def test_a_bug_ends_the_subscription() -> None:
    """A bug ends the subscription with a masked error."""
    desk = Desk(failure=ZeroDivisionError("oops"))
    async with desk.screen(STATUS) as screen:
        await until(lambda: screen.is_over)

    assert screen.codes == ["INTERNAL_SERVER_ERROR"]
    assert "oops" not in str(screen.errors)


async def test_news_causes_a_poll() -> None:
    """News causes a poll before the interval is over, although the snapshot is fresh."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, "UserLast")]
        desk.notify()

        assert await screen.shows(2) == TAKEN

    assert len(desk.calls) == 2
    assert desk.rhythm.is_notified


async def test_a_change_without_news_makes_polls_frequent_again() -> None:
    """SuperOffice switches a failing webhook off; the next webhook makes polls rare again."""
    desk = Desk(interval_s=0.02, slowest_s=0.02, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, "UserLast")]
        desk.notify()
        await screen.shows(2)
        await desk.wait_for_polls(2)
        was_notified = desk.rhythm.is_notified
        desk.sessions = [session(1)]
        await screen.shows(3)

        assert (was_notified, desk.rhythm.is_notified) == (True, False)


async def test_news_during_a_poll_causes_another_one() -> None:
    """News during a poll causes another one, as the first may have read the old state."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    desk.is_answering.clear()
    async with desk.screen(STATUS) as screen:
        await until(lambda: len(desk.calls) == 1)
        desk.sessions = [session(1, "UserLast")]
        desk.notify()
        desk.is_answering.set()

        await until(lambda: screen.answers[-1:] == [TAKEN])

    assert len(desk.calls) == 2


async def test_many_news_cause_one_poll_a_second() -> None:
    """Of many news, the first causes a poll at once and the others one poll a second later."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        for _ in range(100):
            desk.notify()
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert len(desk.calls) == 2
        await until(lambda: len(desk.calls) == 3)


async def test_closing_stops_the_watchers() -> None:
    """Closing stops the watchers and their planned polls."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.notify()
        desk.notify()
        await until(lambda: len(desk.calls) == 2)
        await desk.watchers.close()
        await asyncio.sleep(1.1)

        assert len(desk.calls) == 2


async def test_closing_without_watchers_does_nothing() -> None:
    """A gateway without watchers can be closed."""
    desk = Desk()

    await desk.watchers.close()

    assert not desk.calls
