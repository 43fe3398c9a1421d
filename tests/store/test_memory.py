"""The bounded cache in memory, tested through aiocache's public methods."""

import asyncio
import itertools
import random
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.store import memory
from gateway.store.memory import BoundedMemoryCache
from tests.clock import FakeClock
from tests.store.fakes import Thing
from tests.waiting import until


@pytest.fixture
def cache(clock: FakeClock) -> BoundedMemoryCache:
    """Return a cache of a hundred bytes."""
    return BoundedMemoryCache(max_bytes=100, clock=clock)


async def cached(cache: BoundedMemoryCache, *keys: str) -> list[str]:
    """Return the keys that are in the cache."""
    return [key for key in keys if await cache.get(key) is not None]


async def test_the_same_object_is_returned(cache: BoundedMemoryCache) -> None:
    """Objects are neither copied nor serialized."""
    thing = Thing()

    await cache.set("a", thing, ttl=5)
    assert await cache.get("a") is thing


async def test_an_unknown_key_is_a_miss(cache: BoundedMemoryCache) -> None:
    """A miss is None."""
    await cache.set("a", Thing(), ttl=5)

    assert await cache.get("b") is None


@pytest.mark.parametrize(("passed_s", "is_hit"), [(0, True), (4.99, True), (5, False), (9, False)])
async def test_an_entry_expires_after_its_ttl(
    cache: BoundedMemoryCache, clock: FakeClock, passed_s: float, is_hit: bool
) -> None:
    """An entry is gone when its TTL has passed."""
    await cache.set("a", Thing(), ttl=5)

    clock.advance(passed_s)

    assert (await cache.get("a") is not None) is is_hit


async def test_an_expired_entry_is_dropped_by_a_lookup(
    cache: BoundedMemoryCache, clock: FakeClock
) -> None:
    """A lookup drops an expired entry, whose size no longer counts."""
    await cache.set("a", Thing(), ttl=5)

    clock.advance(5)
    await cache.get("a")

    assert cache.size_bytes == 0


async def test_expired_entries_are_dropped_when_nobody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries with different TTLs are dropped although the cache is not used any more."""
    monkeypatch.setattr(memory, "_LEAST_APART_S", 0.01)
    cache = BoundedMemoryCache(max_bytes=100)

    await cache.set("a", Thing(), ttl=0.01)
    await cache.set("b", Thing(), ttl=0.05)

    await until(lambda: cache.count == 0)


async def test_all_entries_have_one_timer(
    cache: BoundedMemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one for each entry, a busy gateway would have thousands."""
    timers = list[Any]()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda *timer: timers.append(timer))

    for key in "abc":
        await cache.set(key, Thing(), ttl=5)

    assert len(timers) == 1


async def test_an_entry_with_ttl_0_is_not_stored(cache: BoundedMemoryCache) -> None:
    """An entry with a TTL of 0 is not stored."""
    await cache.set("a", Thing(), ttl=0)

    assert cache.size_bytes == 0


async def test_the_size_is_the_sum_of_all_entries(cache: BoundedMemoryCache) -> None:
    """The size of the cache is the sum of its entries' sizes."""
    await cache.set("a", Thing(10), ttl=5)
    await cache.set("b", Thing(25), ttl=5)

    assert cache.size_bytes == 35


async def test_a_new_value_replaces_the_old_one(cache: BoundedMemoryCache) -> None:
    """A replaced value is neither found nor counted."""
    new = Thing(7)
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("a", new, ttl=5)

    assert await cache.get("a") is new
    assert cache.size_bytes == 7


async def test_a_new_value_has_its_own_ttl(cache: BoundedMemoryCache, clock: FakeClock) -> None:
    """The TTL starts again with a new value."""
    await cache.set("a", Thing(), ttl=5)
    clock.advance(4)

    await cache.set("a", Thing(), ttl=5)
    clock.advance(4)

    assert await cached(cache, "a") == ["a"]


async def test_the_cache_can_be_filled_to_its_limit(cache: BoundedMemoryCache) -> None:
    """The entries may have exactly `max_bytes`."""
    await cache.set("a", Thing(60), ttl=5)
    await cache.set("b", Thing(40), ttl=5)

    assert await cached(cache, "a", "b") == ["a", "b"]


async def test_the_least_recently_used_entry_is_evicted(cache: BoundedMemoryCache) -> None:
    """A recently read entry outlives one that was not read."""
    await cache.set("a", Thing(40), ttl=5)
    await cache.set("b", Thing(40), ttl=5)
    await cache.get("a")

    await cache.set("c", Thing(40), ttl=5)

    assert await cached(cache, "a", "b", "c") == ["a", "c"]
    assert cache.size_bytes == 80


async def test_as_many_entries_are_evicted_as_needed(cache: BoundedMemoryCache) -> None:
    """A large entry evicts as many small ones as it needs, and no more."""
    for key in "abcde":
        await cache.set(key, Thing(20), ttl=5)

    await cache.set("large", Thing(50), ttl=5)

    assert await cached(cache, *"abcde", "large") == ["d", "e", "large"]


async def test_an_entry_larger_than_the_cache_is_not_stored(cache: BoundedMemoryCache) -> None:
    """An entry larger than the cache is not stored and evicts nothing."""
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("large", Thing(101), ttl=5)
    assert await cached(cache, "a", "large") == ["a"]
    assert cache.size_bytes == 60


async def test_a_too_large_new_value_drops_the_old_one(
    cache: BoundedMemoryCache,
) -> None:
    """A too large value drops the older one, which must not be served any more."""
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("a", Thing(101), ttl=5)

    assert await cached(cache, "a") == []
    assert cache.size_bytes == 0


async def test_expired_entries_are_dropped_by_a_set(
    cache: BoundedMemoryCache, clock: FakeClock
) -> None:
    """Customers' data are dropped after their TTL, also without a further lookup."""
    await cache.set("a", Thing(), ttl=5)
    await cache.set("b", Thing(), ttl=5)
    clock.advance(5)

    await cache.set("c", Thing(), ttl=5)

    assert cache.size_bytes == 10
    assert await cached(cache, "a", "b", "c") == ["c"]


@pytest.mark.parametrize(("key", "deleted"), [("a", 1), ("b", 0)])
async def test_delete_returns_the_number_of_deleted_entries(
    cache: BoundedMemoryCache, key: str, deleted: int
) -> None:
    """Deleting a missing entry returns 0."""
    await cache.set("a", Thing(), ttl=5)

    assert await cache.delete(key) == deleted
    assert await cache.get(key) is None
    assert cache.size_bytes == 10 - 10 * deleted


async def test_the_default_clock_is_the_machines() -> None:
    """A cache without a clock uses the machine's."""
    thing: Any = Thing()
    cache = BoundedMemoryCache(max_bytes=100)

    await cache.set("a", thing, ttl=3600)

    assert await cache.get("a") is thing


@dataclass
class Growing:
    """An object whose size changes."""

    size_bytes: int


async def test_a_grown_entry_is_measured_again(cache: BoundedMemoryCache) -> None:
    """A lookup measures an entry again, and others are evicted for it."""
    thing = Growing(10)
    await cache.set("old", Thing(60), ttl=5)
    await cache.set("a", thing, ttl=5)
    thing.size_bytes = 50

    assert await cache.get("a") is thing
    assert cache.size_bytes == 50
    assert await cached(cache, "old", "a") == ["a"]


async def test_no_entry_is_evicted_for_an_expired_one(
    cache: BoundedMemoryCache, clock: FakeClock
) -> None:
    """A grown entry has the room of those that have expired."""
    thing = Growing(10)
    await cache.set("expired", Thing(40), ttl=5)
    clock.advance(1)
    await cache.set("old", Thing(40), ttl=5)
    await cache.set("a", thing, ttl=5)
    await cache.get("expired")
    clock.advance(4)
    thing.size_bytes = 50

    assert await cache.get("a") is thing
    assert await cached(cache, "old", "a") == ["old", "a"]


async def test_an_entry_that_outgrows_the_cache_is_dropped_alone(cache: BoundedMemoryCache) -> None:
    """It is returned once more, and no other entry is evicted."""
    thing = Growing(10)
    await cache.set("old", Thing(60), ttl=5)
    await cache.set("a", thing, ttl=5)
    thing.size_bytes = 101

    assert await cache.get("a") is thing
    assert await cached(cache, "old", "a") == ["old"]
    assert (cache.size_bytes, cache.count) == (60, 1)


async def test_peek_needs_no_await(cache: BoundedMemoryCache) -> None:
    """`peek` returns an entry without await."""
    thing = Thing()
    await cache.set("a", thing, ttl=5)

    assert cache.peek("a") is thing
    assert cache.peek("b") is None


async def test_an_owner_over_its_share_loses_its_own_entries_first(
    cache: BoundedMemoryCache,
) -> None:
    """An owner over its share loses its least recently used entry, before those of others."""
    await cache.set("quiet", Thing(10), ttl=5, owner="quiet")
    for key in "abc":
        await cache.set(key, Thing(30), ttl=5, owner="noisy")
    await cache.get("a")
    await cache.set("d", Thing(30), ttl=5, owner="noisy")
    for owner in ("new", "newer"):
        await cache.set(owner, Thing(30), ttl=5, owner=owner)

    assert await cached(cache, "quiet", *"abcd", "new", "newer") == ["quiet", "d", "new", "newer"]
    assert cache.size_bytes == 100


async def test_alone_an_owner_may_use_the_whole_cache(cache: BoundedMemoryCache) -> None:
    """An owner may fill the cache; dropped entries no longer count against its share."""
    for key in "abcd":
        await cache.set(key, Thing(25), ttl=5, owner="one")
    assert await cached(cache, *"abcd") == [*"abcd"]

    await cache.delete("a")
    await cache.set("large", Thing(101), ttl=5, owner="one")
    await cache.set("quiet", Thing(25), ttl=5, owner="other")

    assert await cached(cache, *"abcd", "quiet") == [*"bcd", "quiet"]


async def test_an_owners_only_large_entry_is_kept(cache: BoundedMemoryCache) -> None:
    """If each owner has one entry, the least recently used one is evicted."""
    await cache.set("old", Thing(20), ttl=5, owner="old")
    await cache.set("large", Thing(70), ttl=5, owner="large")
    await cache.set("new", Thing(20), ttl=5, owner="new")

    assert await cached(cache, "old", "large", "new") == ["large", "new"]


async def test_an_owner_within_its_share_loses_nothing_for_having_several(
    cache: BoundedMemoryCache,
) -> None:
    """If no owner with several entries has too much, the least recently used one is evicted."""
    await cache.set("read", Thing(40), ttl=5, owner="read")
    await cache.set("unread", Thing(40), ttl=5, owner="unread")
    for key in "ab":
        await cache.set(key, Thing(5), ttl=5, owner="small")
    await cache.get("read")
    await cache.set("new", Thing(20), ttl=5, owner="new")

    assert await cached(cache, "read", "unread", *"ab", "new") == ["read", *"ab", "new"]


async def test_removed_entries_do_not_count_against_their_owner(
    cache: BoundedMemoryCache,
) -> None:
    """An owner that had much, and has little, loses nothing to one that has much."""
    for key, size in {"a": 45, "b": 45, "d": 5, "e": 5}.items():
        await cache.set(key, Thing(size), ttl=5, owner="was large")
    for key in "ab":
        await cache.delete(key)
    for key, size in {"f": 40, "g": 40, "h": 15}.items():
        await cache.set(key, Thing(size), ttl=5, owner="is large")

    assert await cached(cache, *"defgh") == [*"degh"]


async def test_owners_without_entries_are_forgotten(cache: BoundedMemoryCache) -> None:
    """There may be any number of owners over time."""
    for key in "ab":
        await cache.set(key, Thing(10), ttl=5, owner=key)
        await cache.delete(key)

    assert not cache._keys
    assert not cache._bytes


async def test_entries_may_expire_at_any_step() -> None:
    """Entries that expire between any two steps are counted once and dropped once."""
    ticks = itertools.count()
    cache = BoundedMemoryCache(max_bytes=100, clock=lambda: next(ticks))
    rng = random.Random(4)
    for _ in range(5_000):
        key = str(rng.randrange(8))
        thing = Thing(rng.randrange(1, 60))
        await cache.set(key, thing, ttl=rng.randrange(1, 30), owner=rng.choice("ab"))
        await cache.get(str(rng.randrange(8)))
        assert 0 <= cache.size_bytes <= 100
    for _ in range(40):
        await cache.get("none")

    assert (cache.size_bytes, cache.count) == (0, 0)


def test_another_application_in_the_process_has_all_caches_of_aiocache() -> None:
    """An application around the gateway may use the cache of aiocache that is in Redis."""
    program = "import gateway.app, aiocache; print(aiocache.Cache.REDIS.NAME)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "redis\n"
