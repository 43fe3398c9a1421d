"""When REST is left alone, for how long, and how it is found to be well again."""

import asyncio
import contextlib
import itertools
import logging
import re

import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamNotCalledError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.upstream.breaker import Breaker, Call
from tests.upstream.clock import FakeClock

DOWN = UpstreamUnavailableError("Out of service.")
FAILURES = 3
COOLDOWN_S = 5
NAMES = itertools.count()


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    """Return a closed breaker that three failures open for five seconds."""
    return Breaker(failures=FAILURES, cooldown_s=COOLDOWN_S, clock=clock)


def make(breaker: Breaker, outcome: BaseException | None = None, caller: str | None = None) -> None:
    """Make one call that ends so, of another caller each time."""
    caller = caller or str(next(NAMES))
    with contextlib.suppress(*([type(outcome)] if outcome else [])), Call(breaker, caller) as call:
        call.begin()
        if outcome:
            raise outcome


def opened(breaker: Breaker) -> Breaker:
    """Let calls fail until it opens."""
    for _ in range(FAILURES):
        make(breaker, DOWN)
    return breaker


def begun(breaker: Breaker) -> Call:
    """Begin a call that has not ended yet."""
    call = Call(breaker, str(next(NAMES)))
    call.__enter__()
    call.begin()
    return call


def end(call: Call, outcome: BaseException | None = None) -> None:
    """End a call that was begun."""
    call.__exit__(None, outcome, None)


def retry_after(breaker: Breaker) -> int | None:
    """Return what a caller is told who is refused."""
    with pytest.raises(UpstreamNotCalledError) as caught:
        make(breaker)
    return caught.value.retry_after_s


@pytest.mark.parametrize("failure", [DOWN, UpstreamTimeoutError("Too late.")], ids=repr)
def test_failures_in_a_row_open_it(breaker: Breaker, failure: UpstreamError) -> None:
    """No answer is no answer, whether it was refused or waited for."""
    for _ in range(FAILURES - 1):
        make(breaker, failure)
    before = breaker.state
    make(breaker, failure)

    assert (before, breaker.state) == ("closed", "open")


def test_the_failures_of_one_caller_count_once_in_a_cooldown(
    breaker: Breaker, clock: FakeClock
) -> None:
    """It is not called off for all, unless for a long time nothing at all is answered."""
    for _ in range(20):
        make(breaker, DOWN, "ada")
    before = breaker.state

    for _ in range(FAILURES - 1):
        clock.advance(COOLDOWN_S)
        make(breaker, DOWN, "ada")

    assert (before, breaker.state) == ("closed", "open")


def test_a_timeout_after_a_long_wait_for_its_turn_is_our_own(breaker: Breaker) -> None:
    """It neither counts nor starts the count again."""
    for _ in range(FAILURES):
        with pytest.raises(UpstreamTimeoutError), Call(breaker, str(next(NAMES))) as call:
            call.begin(had_time=False)
            raise UpstreamTimeoutError("Too late.")

    assert breaker.state == "closed"


def test_a_success_starts_the_count_again(breaker: Breaker) -> None:
    """It is failures in a row that count."""
    for _ in range(5):
        for _ in range(FAILURES - 1):
            make(breaker, DOWN)
        make(breaker)

    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "answer",
    [
        UpstreamError("500"),
        UpstreamUnauthenticatedError("401"),
        UpstreamRateLimitedError("429"),
        UpstreamBadResponseError("No JSON."),
    ],
    ids=repr,
)
def test_whatever_rest_answers_shows_that_it_is_alive(
    breaker: Breaker, answer: UpstreamError
) -> None:
    """An error, too, starts the count again, as it was REST's own."""
    for _ in range(FAILURES - 1):
        make(breaker, DOWN)
    make(breaker, answer)
    make(breaker, DOWN)

    assert breaker.state == "closed"


@pytest.mark.parametrize("outcome", [asyncio.CancelledError(), ZeroDivisionError()], ids=repr)
def test_a_call_that_was_given_up_tells_nothing(breaker: Breaker, outcome: BaseException) -> None:
    """It neither counts nor starts the count again."""
    for _ in range(FAILURES - 1):
        make(breaker, DOWN)
    make(breaker, outcome)
    before = breaker.state
    make(breaker, DOWN)

    assert (before, breaker.state) == ("closed", "open")


def test_a_call_that_never_went_to_rest_does_not_count(breaker: Breaker) -> None:
    """As one whose time was up while it waited for its turn."""
    for _ in range(FAILURES):
        with pytest.raises(UpstreamTimeoutError), Call(breaker):
            raise UpstreamTimeoutError("Too late.")

    assert breaker.state == "closed"


def test_while_it_is_open_calls_are_refused(breaker: Breaker, clock: FakeClock) -> None:
    """At once, and with the seconds that are left, rounded up."""
    opened(breaker)
    assert retry_after(breaker) == 5

    clock.advance(3.5)

    assert retry_after(breaker) == 2


def test_a_call_that_waited_for_its_turn_meanwhile_is_refused(breaker: Breaker) -> None:
    """What stood in line does not go on to a REST side that is down."""
    with pytest.raises(UpstreamNotCalledError), Call(breaker) as waiting:
        opened(breaker)
        waiting.begin()


def test_after_its_time_one_call_goes_through(breaker: Breaker, clock: FakeClock) -> None:
    """The others are refused until it is known how it ends."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    begun(breaker)

    assert breaker.state == "half_open"
    assert retry_after(breaker) == 1


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: FakeClock) -> None:
    """Calls pass, and the count begins anew."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make(breaker)
    assert breaker.state == "closed"

    make(breaker, DOWN)

    assert breaker.state == "closed"


def test_a_probe_that_fails_opens_it_for_longer_each_time(
    breaker: Breaker, clock: FakeClock
) -> None:
    """Up to six times as long as at first."""
    opened(breaker)
    told = []
    for _ in range(5):
        told.append(retry_after(breaker))
        clock.advance(told[-1] or 0)
        make(breaker, DOWN)

    assert told == [5, 10, 20, 30, 30]


def test_once_it_was_closed_it_opens_for_as_long_as_at_first(
    breaker: Breaker, clock: FakeClock
) -> None:
    """What was learnt in one outage says nothing about the next."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make(breaker, DOWN)
    clock.advance(2 * COOLDOWN_S)
    make(breaker)
    opened(breaker)

    assert retry_after(breaker) == COOLDOWN_S


@pytest.mark.parametrize("outcome", [asyncio.CancelledError(), ZeroDivisionError()], ids=repr)
def test_a_probe_that_is_given_up_leaves_its_place_to_the_next(
    breaker: Breaker, clock: FakeClock, outcome: BaseException
) -> None:
    """It must not be half-open for ever."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make(breaker, outcome)
    before = breaker.state
    make(breaker)

    assert (before, breaker.state) == ("open", "closed")


def test_failures_of_calls_from_before_it_opened_change_nothing(
    breaker: Breaker, clock: FakeClock
) -> None:
    """They neither prolong it nor speak for the probe."""
    early, late = begun(breaker), begun(breaker)
    opened(breaker)
    end(early, DOWN)
    clock.advance(COOLDOWN_S)
    begun(breaker)
    end(late, DOWN)

    assert breaker.state == "half_open"


def test_a_success_from_before_it_opened_closes_it(breaker: Breaker, clock: FakeClock) -> None:
    """REST has just answered, whenever it was asked; the probe then is a call like others."""
    early = begun(breaker)
    opened(breaker)
    clock.advance(COOLDOWN_S)
    probe = begun(breaker)
    end(early)
    assert breaker.state == "closed"

    end(probe, DOWN)

    assert breaker.state == "closed"


@pytest.mark.parametrize(("asked_s", "told"), [(3, 5), (12, 12), (86_400, 30)])
def test_it_opens_for_as_long_as_rest_asks(breaker: Breaker, asked_s: int, told: int) -> None:
    """Within its own bounds: a 503 may say when the maintenance is over."""
    for _ in range(FAILURES):
        make(breaker, UpstreamUnavailableError("Out of service.", retry_after_s=asked_s))

    assert retry_after(breaker) == told


def test_with_no_failures_allowed_for_it_never_opens() -> None:
    """Zero switches it off."""
    breaker = Breaker(failures=0, cooldown_s=COOLDOWN_S)
    for _ in range(1_000):
        make(breaker, DOWN)

    assert breaker.state == "closed"


def test_the_log_has_one_line_each_way(
    breaker: Breaker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is probed in between."""
    caplog.set_level(logging.INFO, "gateway")
    opened(breaker)
    for _ in range(3):
        clock.advance(60)
        make(breaker, DOWN)
    clock.advance(60)
    make(breaker)
    make(breaker)

    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        (
            "WARNING",
            "SuperOffice is not called for 5 seconds: the calls of 3 callers in a row have failed.",
        ),
        ("INFO", "SuperOffice answers again."),
    ]


def test_a_refusal_is_an_unavailable_upstream(breaker: Breaker) -> None:
    """Clients know what to do about it."""
    with pytest.raises(UpstreamUnavailableError, match=re.escape("is not called for a moment.")):
        make(opened(breaker))
