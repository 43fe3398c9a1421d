"""Counters of cache lookups."""

import pytest

from gateway.sessions.freshness import Lookups, Result


@pytest.mark.parametrize(
    ("result", "saved"),
    [
        ("hit", (1, 70)),
        ("collapsed", (1, 70)),
        ("miss", (0, 0)),
        ("stale", (0, 0)),
        ("request", (0, 0)),
    ],
)
def test_hits_save_calls_and_bytes(result: Result, saved: tuple[int, int]) -> None:
    """Hits and collapsed requests save calls and bytes; misses do not."""
    lookups = Lookups()

    lookups.count(result, 70)

    assert lookups.counts[result] == sum(lookups.counts.values()) == 1
    assert (lookups.saved_calls, lookups.saved_bytes) == saved
