"""Retries: which failures, after which pause, and how many."""

import itertools

import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamInterruptedError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.upstream.retry import Retries
from tests.clock import FakeClock

OUT_OF_SERVICE = UpstreamUnavailableError("Out of service.")


@pytest.fixture
def retries(clock: FakeClock) -> Retries:
    """Return a full budget of retries."""
    return Retries(clock=clock)


def count_allowed(retries: Retries, most: int = 10_000) -> int:
    """Use up the retries that are allowed in a row, and return their number."""
    pauses = (retries.pause_s(OUT_OF_SERVICE, left_s=10) for _ in range(most))
    return len([*itertools.takewhile(lambda pause_s: pause_s is not None, pauses)])


def failure_with_retry_after(seconds: int) -> UpstreamError:
    """Return a failure with a Retry-After."""
    return UpstreamUnavailableError("Out of service.", retry_after_s=seconds)


def test_a_transient_failure_is_retried_after_a_short_pause(retries: Retries) -> None:
    """The pause covers a short restart of REST and is hardly noticed by clients."""
    pauses = [retries.pause_s(OUT_OF_SERVICE, left_s=10) or 0 for _ in range(50)]

    assert min(pauses) >= 0.05
    assert max(pauses) <= 0.2


def test_pauses_are_random(retries: Retries) -> None:
    """Callers that failed together do not retry together."""
    assert len({retries.pause_s(OUT_OF_SERVICE, left_s=10) for _ in range(20)}) > 15


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamError("500"),
        UpstreamTimeoutError("Too late."),
        UpstreamRateLimitedError("Too fast."),
        UpstreamBadResponseError("No JSON."),
        UpstreamInterruptedError("Half an answer."),
        UpstreamUnavailableError("Too many wait.", call_was_made=False),
    ],
    ids=repr,
)
def test_a_permanent_failure_is_not_retried(failure: UpstreamError, retries: Retries) -> None:
    """A permanent failure, or an interrupted answer, is not retried and costs no budget."""
    assert retries.pause_s(failure, left_s=10) is None
    assert count_allowed(retries) == 100


def test_the_pause_includes_retry_after(retries: Retries) -> None:
    """The pause is the Retry-After and a random part, as all callers got the same time."""
    pauses = [retries.pause_s(failure_with_retry_after(3), left_s=10) or 0 for _ in range(50)]

    assert min(pauses) >= 3.05
    assert max(pauses) <= 3.2


@pytest.mark.parametrize("seconds", [5, 3_600])
def test_a_retry_after_beyond_the_deadline_allows_no_retry(seconds: int, retries: Retries) -> None:
    """A Retry-After beyond the deadline allows no retry, and costs no budget."""
    assert retries.pause_s(failure_with_retry_after(seconds), left_s=5) is None
    assert count_allowed(retries) == 100


def test_without_time_there_is_no_retry(retries: Retries) -> None:
    """A retry whose pause does not fit into the deadline is not made."""
    assert retries.pause_s(OUT_OF_SERVICE, left_s=0.01) is None


def test_a_hundred_calls_that_fail_at_once_are_retried(retries: Retries) -> None:
    """The reserve of 100 retries covers a restart of REST."""
    assert count_allowed(retries) == 100


@pytest.mark.parametrize(("seconds", "allowed"), [(0.05, 0), (1, 10), (5, 50), (3_600, 100)])
def test_time_fills_the_reserve_by_ten_a_second(
    seconds: float, allowed: int, retries: Retries, clock: FakeClock
) -> None:
    """The reserve grows by ten a second, up to its start."""
    count_allowed(retries)
    clock.advance(seconds)

    assert count_allowed(retries) == allowed


def test_a_fifth_of_the_calls_may_be_retried(retries: Retries) -> None:
    """Under any load an outage costs REST a fifth more calls, not twice as many."""
    count_allowed(retries)
    allowed = 0
    for _ in range(1_000):
        retries.note_call()
        allowed += count_allowed(retries)

    assert allowed == pytest.approx(200, abs=1)


def test_the_reserve_is_limited(retries: Retries) -> None:
    """Any number of successful calls fills the reserve to its limit only."""
    for _ in range(100_000):
        retries.note_call()

    assert count_allowed(retries) == 100


def test_rare_failures_are_always_retried(retries: Retries, clock: FakeClock) -> None:
    """One failing call a second, for hours, is always retried."""
    for _ in range(10_000):
        clock.advance(1)
        retries.note_call()
        assert retries.pause_s(OUT_OF_SERVICE, left_s=10) is not None
