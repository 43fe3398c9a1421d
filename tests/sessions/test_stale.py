"""Stale snapshots: when they are served, and when not (RFC 5861)."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamMisdirectedError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.sessions.freshness import Windows
from tests.sessions.test_source import JONAS, KARI, Bench
from tests.waiting import settle


async def test_a_stale_snapshot_is_served_while_rest_is_called() -> None:
    """Stale answers are served at once, REST is called once, and then answers are fresh."""
    bench = Bench(windows=Windows(5, while_revalidate_s=10))
    await bench.ask()
    bench.clock.advance(6)

    served = await asyncio.gather(*(bench.source.serve(KARI) for _ in range(20)))
    await settle()

    assert {s.snapshot.sessions[0].text for s in served} == {"Basic kari 1"}
    assert all(s.is_stale and s.failure is None for s in served)
    assert await bench.ask() == "Basic kari 2"
    assert len(bench.rest.calls) == 2


async def test_a_fresh_snapshot_does_not_become_stale_later() -> None:
    """A snapshot that was fresh when served counts as a hit, however long its answer takes."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(4.9)
    served = await bench.source.serve(KARI)

    bench.clock.advance(1)

    assert served.result == "hit"
    assert not served.is_stale


@pytest.mark.parametrize(
    "windows", [Windows(5, while_revalidate_s=10, if_error_s=60), Windows(5, 60, 10)]
)
async def test_a_snapshot_from_the_future_is_not_served(windows: Windows) -> None:
    """After the clock was set back, its age is unknown: it may be past each window."""
    bench = Bench(windows=windows)
    await bench.ask()
    bench.source.clock_ns = lambda: round(bench.clock() * 1e9) - 3_600 * 10**9

    assert await bench.ask() == "Basic kari 2"


@pytest.mark.parametrize(("age_s", "answer"), [(14.9, "Basic kari 1"), (15, "Basic kari 2")])
async def test_past_the_window_a_request_waits_for_rest(age_s: float, answer: str) -> None:
    """Past the window of stale-while-revalidate, a request waits for REST."""
    bench = Bench(windows=Windows(5, while_revalidate_s=10))
    await bench.ask()

    bench.clock.advance(age_s)

    assert await bench.ask() == answer
    await settle()


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamTimeoutError("late"),
        UpstreamUnavailableError("down"),
        UpstreamUnavailableError("503", upstream_status=503),
        UpstreamError("500", upstream_status=500),
        UpstreamBadResponseError("a page", upstream_status=200),
        UpstreamRateLimitedError("429", upstream_status=429),
        UpstreamMisdirectedError("421", upstream_status=421),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("age_s", "is_served"), [(5, True), (64.9, True), (65, False)])
async def test_a_stale_snapshot_is_served_when_rest_fails(
    failure: UpstreamError, age_s: float, is_served: bool
) -> None:
    """Within its window a stale snapshot is served with the failure; past it the failure is."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask()
    bench.clock.advance(age_s)
    bench.rest.failure = failure

    if is_served:
        (served,) = await asyncio.gather(bench.source.serve(KARI))
        assert served.is_stale
        assert served.failure is failure
        assert served.fwd == "stale"
    else:
        with pytest.raises(type(failure)):
            await bench.source.serve(KARI)


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamUnauthenticatedError("401", upstream_status=401),
        UpstreamForbiddenError("403", upstream_status=403),
        UpstreamError("404", upstream_status=404),
        UpstreamError("302", upstream_status=302),
    ],
    ids=repr,
)
async def test_a_decision_of_rest_is_not_replaced_by_a_stale_snapshot(
    failure: UpstreamError,
) -> None:
    """A rejected user gets the error, and no stale snapshot."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = failure

    with pytest.raises(type(failure)):
        await bench.ask()


@pytest.mark.parametrize("windows", [Windows(5, if_error_s=2), Windows(5, if_error_s=20)])
async def test_past_the_window_an_error_is_reported(windows: Windows) -> None:
    """A snapshot is cached for two TTLs at least, which can be longer than the window."""
    bench = Bench(windows=windows)
    await bench.ask()
    bench.rest.failure = UpstreamTimeoutError("late")
    bench.clock.advance(5 + windows.if_error_s - 0.1)
    assert await bench.ask() == "Basic kari 1"

    bench.clock.advance(0.1)
    with pytest.raises(UpstreamTimeoutError):
        await bench.ask()


async def test_a_401_in_the_background_ends_the_window() -> None:
    """After a 401 in the background, the next request gets the error."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60, if_error_s=60))
    await bench.ask()
    bench.clock.advance(6)
    bench.rest.failure = UpstreamUnauthenticatedError("401", upstream_status=401)
    await bench.ask()
    await settle()

    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask()
    bench.rest.failure = UpstreamTimeoutError("late")
    with pytest.raises(UpstreamTimeoutError):
        await bench.ask()


async def test_rejected_credentials_count_in_every_language() -> None:
    """A caller who was rejected in one language gets no stale snapshot in another."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60, if_error_s=60))
    in_norwegian = Caller((*KARI.headers, (b"accept-language", b"nb")))
    await bench.ask(in_norwegian)
    bench.clock.advance(6)
    bench.rest.failure = UpstreamForbiddenError("403", upstream_status=403)
    with pytest.raises(UpstreamForbiddenError):
        await bench.ask()
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.ask(in_norwegian)


async def test_rejected_credentials_do_not_count_for_another_caller() -> None:
    """A caller still gets its stale snapshot after SuperOffice has rejected another one."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask(JONAS)
    bench.clock.advance(6)
    bench.rest.failure = UpstreamForbiddenError("403", upstream_status=403)
    with pytest.raises(UpstreamForbiddenError):
        await bench.ask(KARI)
    bench.rest.failure = UpstreamTimeoutError("late")

    assert await bench.ask(JONAS) == "Basic jonas 1"


@pytest.mark.parametrize("max_age_s", [0, 3, 100])
async def test_a_request_with_max_age_gets_no_stale_answer(max_age_s: float) -> None:
    """A request that limits the age gets an error and no stale answer."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60, if_error_s=60))
    await bench.ask()
    bench.clock.advance(6)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.source.serve(KARI, max_age_s=max_age_s)


async def test_another_callers_snapshot_is_never_served() -> None:
    """A caller without a snapshot gets the error, not another's stale snapshot."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask(KARI)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.ask(JONAS)


async def test_by_default_no_stale_snapshot_is_served() -> None:
    """Without windows, the default, no stale snapshot is served."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.ask()


async def test_a_failure_in_the_background_is_logged_once(caplog: Any) -> None:
    """Each failed background call is logged once, and the next request starts another."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60))
    await bench.ask()
    bench.clock.advance(6)
    bench.rest.failure = UpstreamTimeoutError("late")

    for _ in range(2):
        assert await bench.ask() == "Basic kari 1"
        await settle()

    assert len(caplog.records) == 2
    assert len(bench.rest.calls) == 3


@pytest.mark.parametrize("kind", [UpstreamUnavailableError, UpstreamRateLimitedError])
async def test_refused_calls_are_logged_at_debug(kind: type[UpstreamError], caplog: Any) -> None:
    """Refused calls are logged at debug, as the breaker reports the outage once."""
    bench = Bench()
    bench.rest.failure = kind("not called", call_was_made=False)
    caplog.set_level(logging.DEBUG, "gateway")

    with pytest.raises(kind):
        await bench.ask()

    assert {record.levelname for record in caplog.records} == {"DEBUG"}
