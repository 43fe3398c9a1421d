"""How long a watcher waits."""

import pytest

from gateway.live.pace import Pace, Rhythm


def rhythm(*, is_notified: bool = False, slowest_s: float = 60.0) -> Rhythm:
    """Return a rhythm of five seconds in which nothing is left to chance."""
    return Rhythm(
        interval_s=5.0, slowest_s=slowest_s, is_notified=is_notified, jitter=lambda least, _: least
    )


def test_while_chats_change_the_interval_is_kept() -> None:
    """One look in each."""
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
    ids=["nobody tells", "REST tells", "slowest is little", "slowest is less than the interval"],
)
def test_while_nothing_changes_it_slows_down(
    *, is_notified: bool, slowest_s: float, waits: list[float]
) -> None:
    """As far as three intervals, and much farther where REST tells of changes by itself."""
    pace = Pace(rhythm(is_notified=is_notified, slowest_s=slowest_s))

    assert [pace.after_success(has_changed=False) for _ in waits] == waits


def test_a_change_ends_the_slowness() -> None:
    """And so it begins anew afterwards."""
    pace = Pace(rhythm())
    for _ in range(5):
        pace.after_success(has_changed=False)

    assert [pace.after_success(has_changed=True), pace.after_success(has_changed=False)] == [5, 7.5]


def test_while_rest_is_in_trouble_the_wait_doubles_up_to_a_minute() -> None:
    """By chance no more than half of it, so that not all come back in the same second."""
    pace = Pace(rhythm())

    assert [pace.after_failure() for _ in range(6)] == [2.5, 5, 10, 20, 30, 30]


def test_a_success_ends_the_trouble() -> None:
    """Whether there was news in it or not."""
    pace = Pace(rhythm())
    for _ in range(40):
        pace.after_failure()

    assert [pace.after_success(has_changed=False), pace.after_failure(), pace.after_failure()] == [
        7.5,
        2.5,
        5,
    ]


def test_a_wait_is_never_shorter_than_was_promised() -> None:
    """Chance makes it up to a tenth longer."""
    pace = Pace(Rhythm(interval_s=5.0, slowest_s=60.0))

    assert all(5 <= pace.after_success(has_changed=True) <= 5.5 for _ in range(100))
