"""Watchers: how often REST is called, who learns of what, and what becomes of failures."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest

from gateway.errors import (
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
)
from gateway.live import watcher as watcher_module
from gateway.live.watcher import Alarm, State
from tests.live.desk import Desk, caller, session
from tests.waiting import until

STATUS = "subscription { chatSessions { chatSessionId status } }"
QUEUE = [{"chatSessionId": 1, "status": "IN_QUEUE"}]
TAKEN = [{"chatSessionId": 1, "status": "USER_LAST"}]
LONG_S = 300.0


async def test_all_screens_of_a_caller_share_one_series_of_calls() -> None:
    """Twenty screens cost what one costs."""
    desk = Desk(interval_s=LONG_S)
    async with AsyncExitStack() as stack:
        screens = [await stack.enter_async_context(desk.screen(STATUS)) for _ in range(20)]
        for screen in screens:
            assert await screen.shows(1) == QUEUE

    assert desk.calls == ["kari"]


async def test_each_caller_has_a_series_of_its_own() -> None:
    """As REST answers each of them otherwise."""
    desk = Desk(interval_s=LONG_S)
    users = ["kari", "jonas", "emma"]
    async with AsyncExitStack() as stack:
        for user in users * 4:
            screen = await stack.enter_async_context(desk.screen(STATUS, user))
            await screen.shows(1)

    assert sorted(desk.calls) == sorted(users)


async def test_screens_of_many_callers_cost_one_call_for_each_caller_and_interval() -> None:
    """A hundred screens of ten callers: ten calls, and ten more when the interval is over."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with AsyncExitStack() as stack:
        for number in range(100):
            await stack.enter_async_context(desk.screen(STATUS, f"user {number % 10}"))
        await until(lambda: len(desk.calls) == 10)
        desk.hear()
        await until(lambda: len(desk.calls) == 20)

    assert {desk.calls.count(f"user {n}") for n in range(10)} == {2}


async def test_a_caller_whose_sessions_are_cached_costs_no_call() -> None:
    """What a query has just read is good enough to begin with."""
    desk = Desk(interval_s=LONG_S)
    await desk.source.serve(caller())

    async with desk.screen(STATUS) as screen:
        assert await screen.shows(1) == QUEUE

    assert desk.calls == ["kari"]


async def test_when_the_last_screen_is_gone_nobody_looks_any_more() -> None:
    """As long as there is one, somebody does."""
    desk = Desk()
    async with desk.watchers.watching(caller()) as watcher:
        async with desk.watchers.watching(caller()) as same, desk.screen(STATUS):
            await desk.has_looked(2)
        await desk.has_looked(2)
    assert same is watcher
    calls = len(desk.calls)
    await asyncio.sleep(0.05)

    assert len(desk.calls) <= calls + 1  # what was under way lands
    assert not desk.watchers._watchers
    assert not desk.watchers._tasks


async def test_a_slow_screen_gets_the_newest_state_and_none_in_between() -> None:
    """What happened while it was not reading is not kept for it."""
    desk = Desk()
    async with desk.screen(STATUS, is_stuck=True) as screen:
        assert await screen.shows(1) == QUEUE
        for status in ("CustomerLast", "Finished", "UserLast"):
            desk.sessions = [session(1, status)]
            await desk.has_looked(2)
        screen.is_reading.set()

        assert await screen.shows(2) == TAKEN
        await desk.has_looked(3)

    assert screen.answers == [QUEUE, TAKEN]


async def test_differences_are_worked_out_once_for_all() -> None:
    """Not once for each who asks."""
    desk = Desk()
    async with desk.watchers.watching(caller()) as watcher:
        async with aclosing(watcher.states(Alarm())) as states:
            first, second = await anext(states), await anext(states)

        assert isinstance(first, State)
        assert isinstance(second, State)
        changes = await second.since(first)
        assert await second.since(first) is changes


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (UpstreamUnauthenticatedError("no"), "UNAUTHENTICATED"),
        (UpstreamForbiddenError("no"), "FORBIDDEN"),
    ],
)
async def test_who_is_turned_away_learns_of_it(failure: UpstreamError, code: str) -> None:
    """The subscription ends, at once or whenever the credentials are no longer good."""
    desk = Desk()
    async with desk.screen(STATUS) as screen, desk.screen(STATUS) as other:
        await screen.shows(1)
        desk.failure = failure
        await until(lambda: screen.is_over and other.is_over)

    assert screen.answers == other.answers == [QUEUE, None]
    assert screen.codes == other.codes == [code]
    assert screen.errors[0]["path"] == ["chatSessions"]


async def test_who_comes_back_is_asked_for_anew() -> None:
    """Even while others have not left yet that were turned away with the same credentials."""
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


async def test_while_rest_is_down_screens_stay_as_they_are_and_then_show_what_is_new() -> None:
    """Once, and not what was there before."""
    desk = Desk()
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.failure = UpstreamTimeoutError("late")
        await desk.has_looked(3)
        desk.sessions, desk.failure = [session(1, "UserLast")], None
        await screen.shows(2)
        await desk.has_looked(2)

    assert screen.answers == [QUEUE, TAKEN]
    assert screen.errors == []


@pytest.mark.parametrize("query", [STATUS, "subscription { chatSessionChanges { isInitial } }"])
async def test_a_screen_that_begins_while_rest_is_down_is_told_so(query: str) -> None:
    """Once; what comes when REST is back is its first state."""
    desk = Desk(failure=UpstreamTimeoutError("late"))
    async with desk.screen(query) as screen:
        await desk.has_looked(3)
        desk.failure = None
        first = await screen.shows(2)

    assert screen.codes == ["UPSTREAM_TIMEOUT"]
    assert screen.answers[0] is None
    assert first in (QUEUE, {"isInitial": True})


@pytest.mark.parametrize(("age_s", "is_shown"), [(0, True), (3_600, False)])
async def test_a_screen_that_joins_others_while_rest_is_down(age_s: float, is_shown: bool) -> None:
    """What they show is shown there too, as long as it is no older than it would be else."""
    desk = Desk(slowest_s=10, interval_s=5)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.failure = UpstreamTimeoutError("late")
        desk.watchers.poll()
        await until(lambda: len(desk.calls) == 2)
        for _ in range(50):
            await asyncio.sleep(0)  # by then the failure is stored
        desk.ahead_s = age_s
        async with desk.screen(STATUS) as other:
            answer = await other.shows(1)
            await asyncio.sleep(0.02)

    assert answer == (QUEUE if is_shown else None)
    assert len(other.answers) == 1
    assert other.codes == ([] if is_shown else ["UPSTREAM_TIMEOUT"])


async def test_rest_is_left_alone_for_as_long_as_it_asks() -> None:
    """Also when it tells of changes in the meantime."""
    desk = Desk(failure=UpstreamRateLimitedError("slow down", retry_after_s=60))
    async with desk.screen(STATUS):
        await until(lambda: len(desk.calls) == 1)
        desk.hear()
        await asyncio.sleep(0.05)

    assert len(desk.calls) == 1


async def test_a_mistake_of_rest_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it asks for, a caller's screens are not dark for a day."""
    monkeypatch.setattr(watcher_module, "LONGEST_AFTER_FAILURE_S", 0.01)
    desk = Desk(failure=UpstreamRateLimitedError("slow down", retry_after_s=86_400))
    async with desk.screen(STATUS) as screen:
        await until(lambda: len(desk.calls) == 1)
        desk.failure = None

        assert await screen.shows(2) == QUEUE

    assert screen.errors[0]["extensions"]["retryAfter"] == 86_400


async def test_a_fault_of_ours_ends_the_subscription() -> None:
    """It is masked like any other, and nobody waits for an answer that cannot come."""
    desk = Desk(failure=ZeroDivisionError("oops"))
    async with desk.screen(STATUS) as screen:
        await until(lambda: screen.is_over)

    assert screen.codes == ["INTERNAL_SERVER_ERROR"]
    assert "oops" not in str(screen.errors)


async def test_news_from_rest_wakes_the_watchers() -> None:
    """Long before the interval is over, and though what is cached is fresh."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, "UserLast")]
        desk.hear()

        assert await screen.shows(2) == TAKEN

    assert len(desk.calls) == 2
    assert desk.rhythm.is_notified


async def test_news_that_comes_during_a_call_is_not_lost() -> None:
    """The call may have seen the time before, so there is another one."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    desk.is_answering.clear()
    async with desk.screen(STATUS) as screen:
        await until(lambda: len(desk.calls) == 1)
        desk.sessions = [session(1, "UserLast")]
        desk.hear()
        desk.is_answering.set()

        assert await screen.shows(2) == TAKEN

    assert len(desk.calls) == 2


async def test_a_flood_of_news_is_one_call_a_second() -> None:
    """The first at once, all the others together afterwards."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        for _ in range(100):
            desk.hear()
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert len(desk.calls) == 2
        await until(lambda: len(desk.calls) == 3)


async def test_closing_stops_the_watchers() -> None:
    """What is planned as well."""
    desk = Desk(interval_s=LONG_S, ttl_s=LONG_S)
    async with desk.screen(STATUS) as screen:
        await screen.shows(1)
        desk.hear()
        desk.hear()
        await until(lambda: len(desk.calls) == 2)
        await desk.watchers.close()
        await asyncio.sleep(1.1)

        assert len(desk.calls) == 2


async def test_nothing_to_close_is_closed() -> None:
    """A gateway that nobody ever watched stops like any other."""
    desk = Desk()

    await desk.watchers.close()

    assert not desk.calls
