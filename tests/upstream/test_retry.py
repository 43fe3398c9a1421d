"""When a failed call is made again, after which pause, and how often in all."""

import itertools

import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamInterruptedError,
    UpstreamNotCalledError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.upstream.retry import Retries
from tests.upstream.clock import FakeClock

OUT_OF_SERVICE = UpstreamUnavailableError("Out of service.")


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def retries(clock: FakeClock) -> Retries:
    """Return a full budget."""
    return Retries(clock=clock)


def taken(retries: Retries, most: int = 10_000) -> int:
    """Count how many retries in a row are allowed."""
    pauses = (retries.pause_s(OUT_OF_SERVICE, left_s=10) for _ in range(most))
    return len([*itertools.takewhile(lambda pause_s: pause_s is not None, pauses)])


def asked_to_wait(seconds: int) -> UpstreamError:
    """Make a failure with a Retry-After."""
    return UpstreamUnavailableError("Out of service.", retry_after_s=seconds)


def test_a_trouble_that_may_pass_is_tried_again_after_a_short_pause(retries: Retries) -> None:
    """Long enough for a restart to get along, short enough to go unnoticed."""
    pauses = [retries.pause_s(OUT_OF_SERVICE, left_s=10) or 0 for _ in range(50)]

    assert min(pauses) >= 0.05
    assert max(pauses) <= 0.2


def test_no_two_pauses_are_alike(retries: Retries) -> None:
    """Callers that failed together do not come back together."""
    assert len({retries.pause_s(OUT_OF_SERVICE, left_s=10) for _ in range(20)}) > 15


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamError("500"),
        UpstreamTimeoutError("Too late."),
        UpstreamRateLimitedError("Too fast."),
        UpstreamBadResponseError("No JSON."),
        UpstreamInterruptedError("Half an answer."),
        UpstreamNotCalledError("Too many wait."),
    ],
    ids=repr,
)
def test_what_another_try_cannot_cure_has_none(failure: UpstreamError, retries: Retries) -> None:
    """An answer that has been begun, above all, is not fetched twice."""
    assert retries.pause_s(failure, left_s=10) is None
    assert taken(retries) == 100


def test_rest_is_not_called_before_the_time_it_asked_for(retries: Retries) -> None:
    """Retry-After comes first, and the draw on top: all callers were told the same."""
    pauses = [retries.pause_s(asked_to_wait(3), left_s=10) or 0 for _ in range(50)]

    assert min(pauses) >= 3.05
    assert max(pauses) <= 3.2


@pytest.mark.parametrize("seconds", [5, 3_600])
def test_a_wait_that_outlasts_the_deadline_is_none(seconds: int, retries: Retries) -> None:
    """The caller is better off with the error at once; and it costs the budget nothing."""
    assert retries.pause_s(asked_to_wait(seconds), left_s=5) is None
    assert taken(retries) == 100


def test_without_time_there_is_no_retry(retries: Retries) -> None:
    """Not even a pause fits in."""
    assert retries.pause_s(OUT_OF_SERVICE, left_s=0.01) is None


def test_all_of_a_hundred_connections_that_break_at_once_are_made_up_for(retries: Retries) -> None:
    """As when REST restarts; after that the reserve is spent."""
    assert taken(retries) == 100


@pytest.mark.parametrize(("seconds", "allowed"), [(0.05, 0), (1, 10), (5, 50), (3_600, 100)])
def test_time_fills_the_reserve_by_ten_a_second(
    seconds: float, allowed: int, retries: Retries, clock: FakeClock
) -> None:
    """Up to what it was at first, and no further."""
    taken(retries)
    clock.advance(seconds)

    assert taken(retries) == allowed


def test_a_fifth_of_the_calls_may_be_tried_again(retries: Retries) -> None:
    """Whatever the load: an outage costs REST a fifth more, not twice as much."""
    taken(retries)
    allowed = 0
    for _ in range(1_000):
        retries.note_call()
        allowed += taken(retries)

    assert allowed == pytest.approx(200, abs=1)


def test_what_calls_have_saved_up_is_bounded(retries: Retries) -> None:
    """A good day does not pay for a storm of retries at night."""
    for _ in range(100_000):
        retries.note_call()

    assert taken(retries) == 100


def test_a_quiet_hour_always_has_its_retry(retries: Retries, clock: FakeClock) -> None:
    """One failing call a second, for hours."""
    for _ in range(10_000):
        clock.advance(1)
        retries.note_call()
        assert retries.pause_s(OUT_OF_SERVICE, left_s=10) is not None
