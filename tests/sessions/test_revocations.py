"""Callers whose credentials REST has rejected: for how long and how many are remembered."""

import pytest

from gateway.sessions import revocations
from gateway.sessions.revocations import Revocations
from gateway.store.shared import SharedCache, SharedKey
from tests.clock import FakeClock
from tests.store.remote import Remote


def key(name: str) -> SharedKey:
    """Return the key of the rejection of a caller's credentials."""
    return SharedKey(name, bytes(32))


async def test_a_later_answer_is_not_revoked() -> None:
    """Answers from before the rejection are revoked; REST may accept later calls."""
    known = Revocations()
    await known.add(key("kari"), 100, shared_s=5)

    covered = [await known.is_revoked(key("kari"), time_ns, 200) for time_ns in (99, 100, 101)]

    assert covered == [True, True, False]
    assert not await known.is_revoked(key("jonas"), 99, 200)


async def test_past_the_limit_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the oldest rejection is forgotten; a repeated one is renewed."""
    monkeypatch.setattr(revocations, "_MOST", 2)
    known = Revocations()
    for name in ("kari", "jonas", "kari", "emma"):
        await known.add(key(name), 100, shared_s=5)

    covered = [await known.is_revoked(key(name), 99, 200) for name in ("kari", "jonas", "emma")]

    assert covered == [True, False, True]


async def test_without_stale_answers_only_this_process_knows_a_rejection(clock: FakeClock) -> None:
    """Without stale answers a rejection costs no round trip to the shared cache."""
    remote = Remote(clock)
    shared = SharedCache(remote, max_bytes=1_000, answer_s=0.25, lease_wait_s=10, clock=clock)
    known = Revocations(shared)

    await known.add(key("kari"), 100, shared_s=0)

    assert [known.known_ns(key(name)) for name in ("kari", "jonas")] == [100, 0]
    assert remote.calls == 0
