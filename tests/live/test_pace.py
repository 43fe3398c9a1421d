"""The time between two polls of a watcher."""

import pytest

from gateway.live.pace import Pace, Rhythm


def rhythm(*, is_notified: bool = False, slowest_s: float = 60.0) -> Rhythm:
    """Return a rhythm of five seconds without a random part."""
    return Rhythm(
        interval_s=5.0, slowest_s=slowest_s, is_notified=is_notified, jitter=lambda least, _: least
    )


def test_while_sessions_change_the_interval_is_constant() -> None:
    """While sessions change, each poll is one interval after the last."""
    pace = Pace(rhythm())

    assert [pace.after_success(has_changed=True) for _ in range(3)] == [5, 5, 5]


@pytest.mark.parametrize(
    ("is_notified", "slowest_s", "waits"),
    [
        (False, 60, [7.5, 11.25, 15, 15]),
        (True, 60, [7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953125, 60, 60]),
        (False, 6, [6, 6]),
        (True, 1, [5, 5]),
    ],
    ids=["no webhooks", "webhooks", "a low maximum", "a maximum below the interval"],
)
def test_without_changes_the_interval_grows(
    *, is_notified: bool, slowest_s: float, waits: list[float]
) -> None:
    """Without changes the interval grows up to three times, and to its maximum with webhooks."""
    pace = Pace(rhythm(is_notified=is_notified, slowest_s=slowest_s))

    assert [pace.after_success(has_changed=False) for _ in waits] == waits


def test_a_change_resets_the_interval() -> None:
    """After a change the interval grows from its start again."""
    pace = Pace(rhythm())
    for _ in range(5):
        pace.after_success(has_changed=False)

    assert [pace.after_success(has_changed=True), pace.after_success(has_changed=False)] == [5, 7.5]


def test_after_failures_the_wait_doubles() -> None:
    """After failures the wait doubles up to a minute, of which half is random."""
    pace = Pace(rhythm())

    assert [pace.after_failure() for _ in range(6)] == [2.5, 5, 10, 20, 30, 30]


def test_polls_of_new_subscribers_do_not_lengthen_the_wait() -> None:
    """Those who have waited learn no later that SuperOffice answers again."""
    pace = Pace(rhythm())

    assert [pace.after_failure(is_repeated=False) for _ in range(3)] == [2.5, 2.5, 2.5]
    assert [pace.after_failure() for _ in range(3)] == [2.5, 5, 10]


@pytest.mark.parametrize(
    ("waited_s", "waits"),
    [(10, [2.5, 5, 10, 20, 25, 25]), (58, [2.5, 2.5]), (60, [2.5, 2.5])],
    ids=str,
)
def test_a_wait_that_was_asked_for_counts(waited_s: float, waits: list[float]) -> None:
    """With a Retry-After, the wait is a minute at most, and a random part of an interval."""
    pace = Pace(rhythm())

    assert [pace.after_failure(waited_s) for _ in waits] == waits


def test_a_success_resets_the_wait_after_failures() -> None:
    """A success, with changes or without, resets the wait after failures."""
    pace = Pace(rhythm())
    for _ in range(40):
        pace.after_failure()

    assert [pace.after_success(has_changed=False), pace.after_failure(), pace.after_failure()] == [
        7.5,
        2.5,
        5,
    ]


def test_a_wait_is_never_shorter_than_the_interval() -> None:
    """The random part lengthens a wait by up to a tenth."""
    pace = Pace(Rhythm(interval_s=5.0, slowest_s=60.0))

    assert all(5 <= pace.after_success(has_changed=True) <= 5.5 for _ in range(100))
