"""The circuit breaker: when it opens, for how long, and how it closes."""

import asyncio
import contextlib
import itertools
import logging
import re

import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.upstream.breaker import Breaker, Call
from tests.clock import FakeClock

DOWN = UpstreamUnavailableError("Out of service.")
FAILURES = 3
COOLDOWN_S = 5
NAMES = itertools.count()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    """Return a closed breaker that three failures open for five seconds."""
    return Breaker(failures=FAILURES, cooldown_s=COOLDOWN_S, clock=clock)


def make_call(
    breaker: Breaker, outcome: BaseException | None = None, caller: str | None = None
) -> None:
    """Make one call with this outcome, by a new caller unless named."""
    caller = caller or str(next(NAMES))
    with contextlib.suppress(*([type(outcome)] if outcome else [])), Call(breaker, caller) as call:
        call.begin()
        if outcome:
            raise outcome


def opened(breaker: Breaker) -> Breaker:
    """Open a breaker by failed calls."""
    for _ in range(FAILURES):
        make_call(breaker, DOWN)
    return breaker


def held_off() -> None:
    """Refuse a call whose caller must wait."""
    raise UpstreamRateLimitedError("held", call_was_made=False)


def started_call(breaker: Breaker) -> Call:
    """Start a call that does not end."""
    call = Call(breaker, str(next(NAMES)))
    call.__enter__()
    call.begin()
    return call


def end_call(call: Call, outcome: BaseException | None = None) -> None:
    """End a started call."""
    call.__exit__(None, outcome, None)


def retry_after(breaker: Breaker, caller: str | None = None) -> int | None:
    """Return the Retry-After of a refused call, by a new caller unless named."""
    with pytest.raises(UpstreamUnavailableError) as caught:
        make_call(breaker, caller=caller)
    assert not caught.value.call_was_made
    return caught.value.retry_after_s


@pytest.mark.parametrize("failure", [DOWN, UpstreamTimeoutError("Too late.")], ids=repr)
def test_failures_in_a_row_open_it(breaker: Breaker, failure: UpstreamError) -> None:
    """Refused connections and timeouts in a row open the breaker."""
    for _ in range(FAILURES - 1):
        make_call(breaker, failure)
    before = breaker.state
    make_call(breaker, failure)

    assert (before, breaker.state) == ("closed", "open")


def test_the_failures_of_one_caller_count_once_in_a_cooldown(
    breaker: Breaker, clock: FakeClock
) -> None:
    """One caller's failures count once a cooldown, so they open it only without any success."""
    for _ in range(20):
        make_call(breaker, DOWN, "ada")
    before = breaker.state

    for _ in range(FAILURES - 1):
        clock.advance(COOLDOWN_S)
        make_call(breaker, DOWN, "ada")

    assert (before, breaker.state) == ("closed", "open")


def test_a_timeout_after_a_long_wait_in_the_queue_is_ignored(breaker: Breaker) -> None:
    """A timeout after a long wait in the queue neither counts nor resets the count."""
    for _ in range(FAILURES):
        with pytest.raises(UpstreamTimeoutError), Call(breaker, str(next(NAMES))) as call:
            call.begin(had_time=False)
            raise UpstreamTimeoutError("Too late.")

    assert breaker.state == "closed"


def test_an_answer_after_a_long_wait_in_the_queue_counts(
    breaker: Breaker, clock: FakeClock
) -> None:
    """SuperOffice has answered, however little time it had."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    with Call(breaker) as call:
        call.begin(had_time=False)

    assert breaker.state == "closed"


def test_a_success_resets_the_count(breaker: Breaker) -> None:
    """Only failures in a row count."""
    for _ in range(5):
        for _ in range(FAILURES - 1):
            make_call(breaker, DOWN)
        make_call(breaker)

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
def test_an_error_of_rest_resets_the_count(breaker: Breaker, answer: UpstreamError) -> None:
    """An error answer shows that REST is alive, so it resets the count."""
    for _ in range(FAILURES - 1):
        make_call(breaker, DOWN)
    make_call(breaker, answer)
    make_call(breaker, DOWN)

    assert breaker.state == "closed"


@pytest.mark.parametrize("outcome", [asyncio.CancelledError(), ZeroDivisionError()], ids=repr)
def test_a_cancelled_call_is_ignored(breaker: Breaker, outcome: BaseException) -> None:
    """A cancelled call neither counts nor resets the count."""
    for _ in range(FAILURES - 1):
        make_call(breaker, DOWN)
    make_call(breaker, outcome)
    before = breaker.state
    make_call(breaker, DOWN)

    assert (before, breaker.state) == ("closed", "open")


def test_a_call_that_did_not_reach_rest_is_ignored(breaker: Breaker) -> None:
    """A timeout before the call was made does not count."""
    for _ in range(FAILURES):
        with pytest.raises(UpstreamTimeoutError), Call(breaker, str(next(NAMES))):
            raise UpstreamTimeoutError("Too late.")

    assert breaker.state == "closed"


def test_while_it_is_open_calls_are_refused(breaker: Breaker, clock: FakeClock) -> None:
    """An open breaker refuses calls with the remaining seconds, rounded up."""
    opened(breaker)
    assert retry_after(breaker) == 5

    clock.advance(3.5)

    assert retry_after(breaker) == 2


def test_a_queued_call_is_refused_when_it_opens(breaker: Breaker) -> None:
    """A call that waited in the queue while the breaker opened is refused."""
    with pytest.raises(UpstreamUnavailableError), Call(breaker) as waiting:
        opened(breaker)
        waiting.begin()


def test_a_queued_call_that_its_check_refuses_is_no_probe(
    breaker: Breaker, clock: FakeClock
) -> None:
    """A call that must not be made is no probe: the next call is."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    with pytest.raises(UpstreamRateLimitedError), Call(breaker, check=held_off) as waiting:
        waiting.begin()

    make_call(breaker)

    assert not waiting.has_begun
    assert breaker.state == "closed"


def test_after_the_cooldown_one_probe_is_made(breaker: Breaker, clock: FakeClock) -> None:
    """After the cooldown one call is the probe, and others are refused until it ends."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    started_call(breaker)

    assert breaker.state == "half_open"
    assert retry_after(breaker) == 1


def test_a_successful_probe_closes_it(breaker: Breaker, clock: FakeClock) -> None:
    """A successful probe closes the breaker and resets the count."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make_call(breaker)
    assert breaker.state == "closed"

    make_call(breaker, DOWN)

    assert breaker.state == "closed"


def test_each_failed_probe_opens_it_for_longer(breaker: Breaker, clock: FakeClock) -> None:
    """Each failed probe prolongs the cooldown, up to six times its start."""
    opened(breaker)
    cooldowns = []
    for _ in range(5):
        cooldowns.append(retry_after(breaker))
        clock.advance(cooldowns[-1] or 0)
        make_call(breaker, DOWN)

    assert cooldowns == [5, 10, 20, 30, 30]


def test_after_a_close_the_cooldown_is_short_again(breaker: Breaker, clock: FakeClock) -> None:
    """After a close the next outage starts with the shortest cooldown."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make_call(breaker, DOWN)
    clock.advance(2 * COOLDOWN_S)
    make_call(breaker)
    opened(breaker)

    assert retry_after(breaker) == COOLDOWN_S


def test_callers_take_turns_with_probes(breaker: Breaker, clock: FakeClock) -> None:
    """A caller whose calls always fail, and who calls first each time, keeps nobody else out."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    failed: list[str] = []
    for caller in ("ada", "bob"):
        make_call(breaker, DOWN, caller)
        failed.append(caller)
        clock.advance(retry_after(breaker) or 0)  # of another one, which calls again
        for earlier in failed:
            with pytest.raises(UpstreamUnavailableError):
                make_call(breaker, caller=earlier)
    make_call(breaker)

    assert breaker.state == "closed"


def test_after_a_second_probe_the_others_have_their_turn_again(
    breaker: Breaker, clock: FakeClock
) -> None:
    """A caller whose probes fail keeps out nobody whose probe failed earlier, either."""
    opened(breaker)
    for caller in ("ada", "bob", "ada"):
        clock.advance(breaker._cooldowns * COOLDOWN_S)
        make_call(breaker, DOWN, caller)
    clock.advance(retry_after(breaker, "bob") or 0)
    with pytest.raises(UpstreamUnavailableError):
        make_call(breaker, caller="ada")
    make_call(breaker, caller="bob")

    assert breaker.state == "closed"


@pytest.mark.parametrize("others", [0, 1])
def test_a_caller_whose_probe_failed_may_make_another_one(
    breaker: Breaker, clock: FakeClock, others: int
) -> None:
    """If nobody else calls, it is its turn again; if the others stay away, one cooldown later."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    for _ in range(2):
        make_call(breaker, DOWN, "ada")
        wait_s = breaker._cooldowns * COOLDOWN_S
        for _ in range(others):
            retry_after(breaker)
        assert retry_after(breaker, "ada") == (1 + others) * wait_s
        clock.advance((1 + others) * wait_s)
    make_call(breaker, caller="ada")

    assert breaker.state == "closed"


@pytest.mark.parametrize("outcome", [asyncio.CancelledError(), ZeroDivisionError()], ids=repr)
def test_a_cancelled_probe_makes_room_for_the_next(
    breaker: Breaker, clock: FakeClock, outcome: BaseException
) -> None:
    """A cancelled probe does not leave the breaker half-open."""
    opened(breaker)
    clock.advance(COOLDOWN_S)
    make_call(breaker, outcome)
    before = breaker.state
    make_call(breaker)

    assert (before, breaker.state) == ("open", "closed")


def test_failures_of_earlier_calls_are_ignored_while_open(
    breaker: Breaker, clock: FakeClock
) -> None:
    """Failures of calls that started before it opened neither prolong it nor count as the probe."""
    early, late = started_call(breaker), started_call(breaker)
    opened(breaker)
    clock.advance(3)
    end_call(early, DOWN)
    assert retry_after(breaker) == COOLDOWN_S - 3

    clock.advance(COOLDOWN_S - 3)
    started_call(breaker)
    end_call(late, DOWN)

    assert breaker.state == "half_open"


def test_a_success_of_an_earlier_call_closes_it(breaker: Breaker, clock: FakeClock) -> None:
    """A success of a call that started before it opened closes the breaker."""
    early = started_call(breaker)
    opened(breaker)
    clock.advance(COOLDOWN_S)
    probe = started_call(breaker)
    end_call(early)
    assert breaker.state == "closed"

    end_call(probe, DOWN)

    assert breaker.state == "closed"


@pytest.mark.parametrize(("retry_after_s", "expected_s"), [(3, 5), (12, 12), (86_400, 30)])
def test_retry_after_prolongs_the_cooldown(
    breaker: Breaker, retry_after_s: int, expected_s: int
) -> None:
    """A 503's Retry-After sets the cooldown, within the breaker's limits."""
    for _ in range(FAILURES):
        make_call(breaker, UpstreamUnavailableError("Out of service.", retry_after_s=retry_after_s))

    assert retry_after(breaker) == expected_s


def test_with_0_failures_it_never_opens() -> None:
    """Zero failures switch the breaker off, and no caller is remembered."""
    breaker = Breaker(failures=0, cooldown_s=COOLDOWN_S)
    for _ in range(1_000):
        make_call(breaker, DOWN)

    assert breaker.state == "closed"
    assert not breaker._counted_at


def test_opening_and_closing_are_logged_once(
    breaker: Breaker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each outage is logged once when the breaker opens and once when it closes."""
    caplog.set_level(logging.INFO, "gateway")
    opened(breaker)
    for _ in range(3):
        clock.advance(60)
        make_call(breaker, DOWN)
    clock.advance(60)
    make_call(breaker)
    make_call(breaker)

    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        (
            "WARNING",
            "SuperOffice is not called for 5 seconds: the calls of 3 callers in a row have failed.",
        ),
        ("INFO", "SuperOffice answers again."),
    ]


def test_a_refused_call_is_an_unavailable_upstream(breaker: Breaker) -> None:
    """A refused call is an error that clients know."""
    with pytest.raises(UpstreamUnavailableError, match=re.escape("is not called for a moment.")):
        make_call(opened(breaker))
