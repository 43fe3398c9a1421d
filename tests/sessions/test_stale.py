"""Past its time: when an old snapshot still serves, and when it never does (RFC 5861)."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamHeldOffError,
    UpstreamNotCalledError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.sessions.freshness import Windows
from tests.sessions.test_source import JONAS, KARI, Bench


async def settle() -> None:
    """Let what is under way in the background end."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_stale_snapshot_is_given_while_rest_is_asked() -> None:
    """Nobody waits, REST is called once, and who comes next gets what is new."""
    bench = Bench(windows=Windows(5, while_revalidate_s=10))
    await bench.ask()
    bench.clock.advance(6)

    served = await asyncio.gather(*(bench.source.serve(KARI) for _ in range(20)))
    await settle()

    assert {s.snapshot.sessions[0].text for s in served} == {"Basic kari 1"}
    assert all(s.is_stale and s.failure is None for s in served)
    assert await bench.ask() == "Basic kari 2"
    assert len(bench.rest.calls) == 2


async def test_what_was_fresh_when_it_was_given_is_not_called_stale_later() -> None:
    """However long its answer takes to be written."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(4.9)
    served = await bench.source.serve(KARI)

    bench.clock.advance(1)

    assert served.result == "hit"
    assert not served.is_stale


@pytest.mark.parametrize(("age_s", "answer"), [(14.9, "Basic kari 1"), (15, "Basic kari 2")])
async def test_revalidating_later_has_its_window(age_s: float, answer: str) -> None:
    """Past it, who asks waits for REST."""
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
    ],
    ids=repr,
)
@pytest.mark.parametrize(("age_s", "is_given"), [(5, True), (64.9, True), (65, False)])
async def test_a_stale_snapshot_stands_in_when_rest_fails(
    failure: UpstreamError, age_s: float, is_given: bool
) -> None:
    """Within its window, with the failure beside it; past it the failure is the answer."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask()
    bench.clock.advance(age_s)
    bench.rest.failure = failure

    if is_given:
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
async def test_nothing_stands_in_for_what_rest_has_decided(failure: UpstreamError) -> None:
    """A user who was shut out sees nothing more."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = failure

    with pytest.raises(type(failure)):
        await bench.ask()


async def test_a_401_in_the_background_ends_the_window() -> None:
    """The next request is refused, not served what is old."""
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


async def test_a_caller_who_is_shut_out_is_so_in_every_language() -> None:
    """REST has told in one of them."""
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


@pytest.mark.parametrize("max_age_s", [0, 3, 100])
async def test_who_asks_for_a_young_answer_gets_no_old_one(max_age_s: float) -> None:
    """`Cache-Control` of a request is a wish to be told the truth."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60, if_error_s=60))
    await bench.ask()
    bench.clock.advance(6)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.source.serve(KARI, max_age_s=max_age_s)


async def test_another_callers_snapshot_never_stands_in() -> None:
    """Who was never answered has nothing to fall back on."""
    bench = Bench(windows=Windows(5, if_error_s=60))
    await bench.ask(KARI)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.ask(JONAS)


async def test_without_windows_an_old_snapshot_is_never_given() -> None:
    """That is the default."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = UpstreamTimeoutError("late")

    with pytest.raises(UpstreamTimeoutError):
        await bench.ask()


async def test_a_failure_in_the_background_is_told_once(caplog: Any) -> None:
    """In the log; the next request asks again."""
    bench = Bench(windows=Windows(5, while_revalidate_s=60))
    await bench.ask()
    bench.clock.advance(6)
    bench.rest.failure = UpstreamTimeoutError("late")

    for _ in range(2):
        assert await bench.ask() == "Basic kari 1"
        await settle()

    assert len(caplog.records) == 2
    assert len(bench.rest.calls) == 3


@pytest.mark.parametrize("failure", [UpstreamNotCalledError("open"), UpstreamHeldOffError("held")])
async def test_calls_that_are_not_made_fill_no_log(failure: UpstreamError, caplog: Any) -> None:
    """In an outage there is one for each request; the breaker tells of it once."""
    bench = Bench()
    bench.rest.failure = failure
    caplog.set_level(logging.DEBUG, "gateway")

    with pytest.raises(type(failure)):
        await bench.ask()

    assert {record.levelname for record in caplog.records} == {"DEBUG"}
