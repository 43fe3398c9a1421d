"""Times of what happened last, such as rejections: which are found, and how many are kept."""

import pytest

from gateway.store import shared_times
from gateway.store.shared import SharedCache, SharedKey
from gateway.store.shared_times import SharedTimes
from tests.clock import FakeClock
from tests.store.remote import Remote


def key(name: str) -> SharedKey:
    """Return the key of the rejection of a caller's credentials."""
    return SharedKey(name, bytes(32))


async def test_an_earlier_time_does_not_count() -> None:
    """A rejection is found for answers from before it; REST may accept later calls."""
    known = SharedTimes()
    await known.note(key("kari"), 100, shared_s=5)

    covered = [await known.is_noted(key("kari"), 200, since_ns=ns) for ns in (99, 100, 101)]

    assert covered == [True, True, False]
    assert not await known.is_noted(key("jonas"), 200)


async def test_past_the_limit_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the oldest rejection is forgotten; a repeated one is renewed."""
    monkeypatch.setattr(shared_times, "_MOST", 2)
    known = SharedTimes()
    for name in ("kari", "jonas", "kari", "emma"):
        await known.note(key(name), 100, shared_s=5)

    covered = [await known.is_noted(key(name), 200) for name in ("kari", "jonas", "emma")]

    assert covered == [True, False, True]


async def test_without_stale_answers_only_this_process_knows_a_rejection(clock: FakeClock) -> None:
    """Without stale answers a rejection costs no round trip to the shared cache."""
    remote = Remote(clock)
    shared = SharedCache(remote, max_bytes=1_000, answer_s=0.25, lease_wait_s=10, clock=clock)
    known = SharedTimes(shared)

    await known.note(key("kari"), 100, shared_s=0)

    assert [known.own_ns(key(name)) for name in ("kari", "jonas")] == [100, 0]
    assert remote.calls == 0
