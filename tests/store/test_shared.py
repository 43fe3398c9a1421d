"""The cache that processes share: entries, leases and outages."""

import asyncio
import contextlib
import os
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.store import lease
from gateway.store import shared as shared_module
from gateway.store.lease import leased
from gateway.store.shared import TIMES, Found, LookupResult, SharedCache, SharedKey
from tests.clock import FakeClock
from tests.store.remote import Remote

KEY = SharedKey("kari", bytes(32))


@pytest.fixture
def remote(clock: FakeClock) -> Remote:
    """Return the shared cache."""
    return Remote(clock)


def process_over(remote: Remote, **options: Any) -> SharedCache:
    """Return the view of one process on the shared cache."""
    all_options = {
        "max_bytes": 1000,
        "answer_s": 0.25,
        "lease_wait_s": 10,
        "clock": remote.clock,
        **options,
    }
    return SharedCache(remote, **all_options)


def content(found: Found) -> bytes:
    """Return the content of an entry."""
    return found.content


def nothing(_: Found) -> bytes | None:
    """Treat an entry as unusable."""
    return None


async def found_by(shared: SharedCache) -> bytes | None:
    """Return the content that a process finds, or None."""
    found = await shared.get(KEY)
    return None if found is None else found.content


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the pauses between polls of a lease."""
    monkeypatch.setattr(lease, "_FIRST_POLL_S", 0)
    monkeypatch.setattr(lease, "_LATER_POLLS_S", 0)


async def test_processes_share_an_entry_until_its_ttl(remote: Remote) -> None:
    """An entry of one process is found by another until its TTL has passed."""
    await process_over(remote).put(KEY, b"sessions", ttl_s=5)

    contents = [await found_by(process_over(remote))]
    remote.clock.advance(5)
    contents.append(await found_by(process_over(remote)))

    assert contents == [b"sessions", None]


async def test_an_entry_has_an_age(remote: Remote) -> None:
    """The age of an entry, by Redis' clock, includes its age when it was stored."""
    shared = process_over(remote)
    await shared.get(KEY)  # for the time in Redis
    await shared.hand_over(KEY, b"sessions", b"", ttl_s=5, age_s=2)
    await shared.get(KEY)  # sent after the entry

    remote.clock.advance(1)
    found = await shared.get(KEY)
    remote.clock.advance(2)

    assert found is not None
    assert found.age_s == 3
    assert await shared.get(KEY) is None


@pytest.mark.parametrize("age_s", [4.9997, 5, 6])
async def test_an_expired_entry_is_not_stored(remote: Remote, age_s: float) -> None:
    """An expired entry is not stored, as Redis refuses a TTL of 0."""
    shared = process_over(remote)
    await shared.get(KEY)  # for the time in Redis

    await shared.hand_over(KEY, b"sessions", b"", ttl_s=5, age_s=age_s)
    await shared.get(KEY)  # sent after the entry

    assert not remote.entries


@pytest.mark.parametrize("has_new_date", [False, True])
@pytest.mark.parametrize("ttl_s", [5, float("inf")])
async def test_an_old_entry_that_is_set_again_stays_old(
    remote: Remote, ttl_s: float, has_new_date: bool
) -> None:
    """An old entry stays old with a new TTL, or none, and with a new date."""
    shared = process_over(remote)
    await shared.put(KEY, b"sessions", ttl_s=5)
    entry, _ = remote.entries["kari"]
    remote.clock.advance(3)
    remote.entries["kari"] = (entry, remote.clock() + ttl_s)
    aged = await shared.get(KEY)
    remote.clock.advance(2)
    if has_new_date:
        entry = TIMES.pack(remote.clock(), 500) + entry[TIMES.size :]
    remote.entries["kari"] = (entry, remote.clock() + ttl_s)

    assert aged is not None
    assert aged.age_s == 3
    assert await shared.get(KEY) is None


async def test_an_entry_from_the_future_is_not_used(remote: Remote) -> None:
    """An entry from the future, as after a failover to a slow clock, is not used."""
    await process_over(remote).put(KEY, b"sessions", ttl_s=500)

    remote.clock.advance(-60)

    assert await process_over(remote).get(KEY) is None


async def test_an_entry_in_another_format_is_not_read(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an upgrade, versions with different formats can share one cache."""
    await process_over(remote).put(KEY, b"sessions", ttl_s=5)

    monkeypatch.setattr(shared_module, "_FORM", b"4 ")

    assert await process_over(remote).get(KEY) is None


async def test_a_forgotten_entry_is_gone_for_all_processes(remote: Remote) -> None:
    """A caller that SuperOffice rejects gets no old answer from any of them."""
    shared = process_over(remote)
    await shared.put(KEY, b"sessions", ttl_s=5)

    await shared.forget(KEY)

    assert await found_by(process_over(remote)) is None


async def test_an_entry_forgotten_in_an_outage_is_emptied_after_it(remote: Remote) -> None:
    """After an outage it is empty, and so invalid, for as long as it could have been there."""
    shared = process_over(remote)
    await shared.put(KEY, b"sessions", ttl_s=5)
    remote.failure = TimeoutError()
    await shared.forget(KEY, ttl_s=5)
    remote.failure = None
    remote.clock.advance(1)
    before = await found_by(process_over(remote))

    await shared.put(SharedKey("jonas", bytes(32)), b"sessions", ttl_s=5)
    await shared.aclose()

    _, until = remote.entries["kari"]
    assert (before, until - remote.clock()) == (b"sessions", 4)
    assert await process_over(remote).look_up(KEY) == LookupResult(is_invalid=True)
    async with leased(process_over(remote), KEY, usable=content) as own:
        assert own.found is None


async def test_an_entry_stored_again_after_an_outage_is_kept(remote: Remote) -> None:
    """The caller has been accepted again: nothing is owed any more."""
    shared = process_over(remote)
    remote.failure = TimeoutError()
    await shared.forget(KEY, ttl_s=5)
    remote.failure = None
    remote.clock.advance(1)

    await shared.get(KEY)
    await shared.put(KEY, b"sessions", ttl_s=5)
    await shared.put(SharedKey("jonas", bytes(32)), b"sessions", ttl_s=5)
    await shared.aclose()

    assert await found_by(process_over(remote)) == b"sessions"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{}", bytes(100), TIMES.pack(1000, 500) + bytes(100), bytes(10**6)],
    ids=["empty", "JSON", "zeros", "a recent date", "a megabyte"],
)
async def test_garbage_counts_as_a_miss_and_is_overwritten(remote: Remote, garbage: bytes) -> None:
    """Garbage, even with a recent date, is a miss and is overwritten."""
    remote.entries["kari"] = (garbage, float("inf"))
    shared = process_over(remote)

    assert await found_by(shared) is None
    async with leased(shared, KEY, usable=content) as own:
        assert own.found is None
        await own.store(b"sessions", ttl_s=5, age_s=0)

    assert await found_by(shared) == b"sessions"


@pytest.mark.parametrize("size", [0, 10**9])
async def test_large_entries_are_sealed_in_a_thread(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """An entry that is sealed in a thread equals one that is sealed in the event loop."""
    monkeypatch.setattr(shared_module, "_LARGE_BYTES", size)
    shared = process_over(remote)

    await shared.put(KEY, b"sessions", ttl_s=5)

    assert await found_by(shared) == b"sessions"


async def test_one_of_all_processes_fetches_a_missing_entry(remote: Remote) -> None:
    """One process fetches a missing entry, and the others wait for it."""
    calls = []

    async def process(number: int) -> bytes:
        shared = process_over(remote)
        async with leased(shared, KEY, usable=content) as own:
            if own.found is None:
                calls.append(number)
                await asyncio.sleep(0.01)
                await own.store(b"sessions", ttl_s=5, age_s=0)
            return own.found or b"sessions"

    contents = await asyncio.gather(*(process(number) for number in range(10)))

    assert contents == [b"sessions"] * 10
    assert len(calls) == 1
    assert not [key for key in remote.entries if "lease" in key]


async def test_an_unusable_entry_is_fetched_again(remote: Remote) -> None:
    """An unusable entry, such as one that is too old, is fetched again."""
    shared = process_over(remote)
    await shared.put(KEY, b"sessions", ttl_s=5)

    async with leased(shared, KEY, usable=nothing) as own:
        assert own.found is None


@pytest.mark.parametrize("entry", [b"ab", bytes(40)])
async def test_an_invalid_reply_counts_as_a_miss(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, entry: bytes
) -> None:
    """An invalid reply, which does not come from Redis, is a miss."""
    monkeypatch.setattr(remote, "_reply", lambda _: (remote.clock(), entry, False))

    async with leased(process_over(remote), KEY, usable=content) as own:
        assert own.found is None


async def test_a_failure_passes_the_lease_on(remote: Remote) -> None:
    """A process that fails frees its lease at once."""
    shared = process_over(remote)
    with contextlib.suppress(RuntimeError):
        async with leased(shared, KEY, usable=content):
            raise RuntimeError

    async with leased(process_over(remote), KEY, usable=content) as own:
        assert own.found is None


async def test_the_lease_of_a_dead_process_expires(remote: Remote) -> None:
    """Two seconds after a holder has died, the next process gets the lease."""
    dead = leased(process_over(remote), KEY, usable=content)
    await dead.__aenter__()
    waiting = asyncio.create_task(leased(process_over(remote), KEY, usable=content).__aenter__())

    is_done = []
    for _ in range(5):
        for _ in range(20):
            await asyncio.sleep(0)
        is_done.append(waiting.done())
        remote.clock.advance(0.5)

    assert is_done == [False, False, False, False, True]


async def test_a_live_process_renews_its_lease(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder renews its lease for as long as REST takes."""
    monkeypatch.setattr(lease, "_RENEWED_AFTER_S", 0)
    async with leased(process_over(remote), KEY, usable=content):
        waiting = asyncio.create_task(
            leased(process_over(remote), KEY, usable=content).__aenter__()
        )
        for _ in range(8):
            remote.clock.advance(1)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
    assert (await waiting).found is None


async def test_the_wait_for_a_lease_has_a_timeout(remote: Remote) -> None:
    """A process waits a limited time for a lease that is renewed forever."""
    shared = process_over(remote, lease_wait_s=3)
    waiting = asyncio.create_task(leased(shared, KEY, usable=content).__aenter__())
    for _ in range(4):
        remote.entries["kari:lease"] = (b"another's", remote.clock() + 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert waiting.done() == (remote.clock() == 1003)
        remote.clock.advance(1)

    with pytest.raises(TimeoutError):
        await waiting
    assert remote.entries["kari:lease"][0] == b"another's"


@pytest.mark.parametrize(
    "failure",
    [
        RedisConnectionError("refused"),
        ResponseError("LOADING"),
        TimeoutError(),
        ConnectionResetError(),
        ValueError("no answer of Redis"),
    ],
    ids=repr,
)
async def test_failures_of_redis_are_misses(remote: Remote, failure: Exception) -> None:
    """A failure of Redis is a miss, and the process fetches at once."""
    remote.failure = failure
    shared = process_over(remote)

    await shared.put(KEY, b"sessions", ttl_s=5)
    await shared.forget(KEY)
    async with leased(shared, KEY, usable=content) as own:
        assert own.found is None
    await shared.aclose()

    assert await found_by(shared) is None
    assert remote.is_closed


async def test_a_failing_cache_is_called_once(remote: Remote) -> None:
    """During an outage, a thousand requests make one call."""
    remote.failure = TimeoutError()
    shared = process_over(remote)

    for _ in range(1000):
        async with leased(shared, KEY, usable=content):
            await shared.put(KEY, b"sessions", ttl_s=5)

    assert remote.calls == 1


async def test_a_hanging_cache_is_waited_for_once(remote: Remote) -> None:
    """Requests in the queue stop waiting when the first batch has timed out."""
    remote.is_hung = True
    shared = process_over(remote, answer_s=0.01)

    results = await asyncio.gather(*(shared.get(KEY) for _ in range(1000)), shared.aclose())

    assert results == [None] * (1000 + 1)
    assert remote.calls == 1


async def test_round_trips_are_few(remote: Remote) -> None:
    """One round trip looks up and takes the lease, one stores and frees it.

    A thousand requests wait for four, so that a distant Redis delays nobody by seconds.
    """
    shared = process_over(remote)
    async with leased(shared, KEY, usable=content) as own:
        assert (own.found, remote.calls) == (None, 1)
        await own.store(b"sessions", ttl_s=5, age_s=0)
    await shared.aclose()
    assert ([*remote.entries], remote.calls) == (["kari"], 2)

    await asyncio.gather(*(shared.get(KEY) for _ in range(1000)))

    assert remote.calls == 2 + 4


async def test_pending_writes_are_limited(remote: Remote) -> None:
    """Writes past 4 MiB are dropped and counted, and their leases are freed."""
    shared = process_over(remote, max_bytes=2**20)
    for burst in (1, 2):
        async with contextlib.AsyncExitStack() as stack:
            keys = [SharedKey(f"{burst} {number}", bytes(32)) for number in range(10)]
            leases = [leased(shared, key, usable=content) for key in keys]
            for own in [await stack.enter_async_context(one) for one in leases]:
                # without a turn of the event loop
                await own.store(os.urandom(2**20 - 100), ttl_s=5, age_s=0)

        await shared.aclose()

        assert len(remote.entries) == 4 * burst
        assert shared.dropped == 6 * burst


async def test_after_a_failure_new_connections_are_made(remote: Remote) -> None:
    """After a failure the old connections, which may lead to a replica, are replaced once."""
    remote.failure = ResponseError("READONLY You can't write against a read only replica.")
    shared = process_over(remote)

    await asyncio.gather(*(shared.forget(KEY) for _ in range(5)))

    assert remote.connections == 2


async def test_owed_entries_are_stored_after_an_outage(remote: Remote) -> None:
    """After an outage, owed entries are stored unless they have expired."""
    remote.failure = TimeoutError()
    shared = process_over(remote)
    for name, ttl_s, is_owed in (("a", 5, True), ("b", 1, True), ("c", 5, False)):
        await shared.put(SharedKey(name, bytes(32)), b"", ttl_s=ttl_s, is_owed=is_owed)
    remote.clock.advance(2)
    remote.failure = None

    await shared.put(KEY, b"sessions", ttl_s=5)
    await shared.aclose()

    assert {name: until - remote.clock() for name, (_, until) in remote.entries.items()} == {
        "kari": 5,
        "a": 3,
    }


async def test_the_number_of_owed_entries_is_limited(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an outage anybody's requests may be rejected, which must not fill the memory."""
    monkeypatch.setattr(shared_module, "_MOST_OWED", 2)
    remote.failure = TimeoutError()
    shared = process_over(remote)

    for name in "abc":
        await shared.put(SharedKey(name, bytes(32)), b"", ttl_s=5, is_owed=True)

    assert [*shared._owed] == ["a", "b"]


async def test_many_owed_entries_delay_no_other_command(remote: Remote) -> None:
    """Thousands may be owed; they are sealed a few at a time, until none is left."""
    remote.failure = TimeoutError()
    shared = process_over(remote)
    for number in range(100):
        await shared.put(SharedKey(f"{number}", bytes(32)), b"", ttl_s=50, is_owed=True)
    remote.clock.advance(2)
    remote.failure = None

    await shared.put(KEY, b"sessions", ttl_s=50)
    sealed = 100 - len(shared._owed)
    await shared.aclose()

    assert 0 < sealed <= 20
    assert len(remote.entries) == 101


async def test_an_entry_that_fails_again_stays_owed(remote: Remote) -> None:
    """An owed entry that fails again is stored later: the cache may accept small entries first."""
    remote.is_full = True
    shared = process_over(remote)
    await shared.put(KEY, bytes(range(256)), ttl_s=50, is_owed=True)
    remote.is_full, remote.most = False, 100
    for most in (100, 1_000):
        remote.clock.advance(10)
        remote.most = most
        await shared.put(SharedKey("jonas", bytes(32)), b"", ttl_s=50)
        await shared.aclose()
        assert ("kari" in remote.entries) == (most == 1_000)


@pytest.mark.parametrize("left_s", [2.5, 3_600, float("inf")])
async def test_a_lease_with_an_invalid_ttl_is_replaced(remote: Remote, left_s: float) -> None:
    """A lease with a longer TTL than ours is garbage, and delays no process."""
    remote.entries["kari:lease"] = (b"garbage", remote.clock() + left_s)

    shared = process_over(remote)
    async with leased(shared, KEY, usable=content) as own:
        assert own.found is None
    await shared.aclose()

    assert not remote.entries


async def test_a_cache_that_stores_only_small_entries_is_failing(
    remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    """A cache that stores leases but no answers is logged once as failing."""
    remote.most = 100
    shared = process_over(remote)
    for _ in range(5):
        async with leased(shared, KEY, usable=content) as own:
            assert own.found is None
            await own.store(bytes(range(256)), ttl_s=5, age_s=0)
        remote.clock.advance(10)

    assert len(caplog.records) == 1


async def test_the_cache_is_used_again_after_an_outage(remote: Remote) -> None:
    """After the pause the cache is called and used again."""
    remote.failure = TimeoutError()
    shared = process_over(remote)
    assert await found_by(shared) is None

    remote.failure = None
    remote.clock.advance(1)
    await shared.put(KEY, b"sessions", ttl_s=5)

    assert await found_by(shared) == b"sessions"
    assert not shared.outages.is_known


async def test_an_idle_process_notices_the_end_of_an_outage(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries to write, as a full cache refuses writes alone; without an outage it does not."""
    monkeypatch.setattr(shared_module, "_RETRIED_AFTER_S", 0)
    shared = process_over(remote)
    task = asyncio.create_task(shared.end_outages())

    async def calls_in_a_hundred_seconds() -> int:
        before = remote.calls
        for _ in range(100):
            remote.clock.advance(1)
            await asyncio.sleep(0)
        return remote.calls - before

    assert await calls_in_a_hundred_seconds() == 0
    remote.failure = TimeoutError()
    await shared.put(KEY, b"sessions", ttl_s=5)
    assert 0 < await calls_in_a_hundred_seconds() < 20
    remote.failure, remote.is_full = None, True
    assert 0 < await calls_in_a_hundred_seconds() < 20
    assert shared.outages.is_known
    remote.is_full = False
    assert await calls_in_a_hundred_seconds() == 1
    assert not shared.outages.is_known
    task.cancel()


async def test_a_full_cache_can_still_be_read(remote: Remote) -> None:
    """A full cache can be read, which does not end its outage."""
    shared = process_over(remote)
    await shared.put(KEY, b"sessions", ttl_s=500)
    remote.is_full = True
    await shared.put(SharedKey("jonas", bytes(32)), b"sessions", ttl_s=5)
    remote.clock.advance(1)

    assert await found_by(shared) == b"sessions"
    assert shared.outages.is_known
    async with leased(shared, SharedKey("per", bytes(32)), usable=content) as own:
        assert own.found is None
