"""The bounded cache in memory, through aiocache's public methods."""

import itertools
import random
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.store.memory import BoundedMemoryCache
from tests.store.fakes import Clock, Thing


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> BoundedMemoryCache:
    """Return a cache for a hundred bytes."""
    return BoundedMemoryCache(max_bytes=100, clock=clock)


async def kept(cache: BoundedMemoryCache, *keys: str) -> list[str]:
    """Return those of the keys that are found."""
    return [key for key in keys if await cache.get(key) is not None]


async def test_what_is_kept_is_found_as_it_is(cache: BoundedMemoryCache) -> None:
    """Objects are neither copied nor written to bytes."""
    thing = Thing()

    await cache.set("a", thing, ttl=5)
    assert await cache.get("a") is thing


async def test_an_unknown_key_gives_nothing(cache: BoundedMemoryCache) -> None:
    """A miss is None."""
    await cache.set("a", Thing(), ttl=5)

    assert await cache.get("b") is None


@pytest.mark.parametrize(("passed_s", "is_kept"), [(0, True), (4.99, True), (5, False), (9, False)])
async def test_an_entry_ends_with_its_time(
    cache: BoundedMemoryCache, clock: Clock, passed_s: float, is_kept: bool
) -> None:
    """At `ttl` seconds and after them it is gone."""
    await cache.set("a", Thing(), ttl=5)

    clock.advance(passed_s)

    assert (await cache.get("a") is not None) is is_kept


async def test_an_expired_entry_leaves_its_room_when_it_is_asked_for(
    cache: BoundedMemoryCache, clock: Clock
) -> None:
    """What cannot be given any more is not counted any more."""
    await cache.set("a", Thing(), ttl=5)

    clock.advance(5)
    await cache.get("a")

    assert cache.size_bytes == 0


async def test_what_has_no_time_is_not_kept(cache: BoundedMemoryCache) -> None:
    """A ttl of 0 is over at once."""
    await cache.set("a", Thing(), ttl=0)

    assert cache.size_bytes == 0


async def test_the_size_is_the_sum_of_what_is_kept(cache: BoundedMemoryCache) -> None:
    """Each object says what it weighs."""
    await cache.set("a", Thing(10), ttl=5)
    await cache.set("b", Thing(25), ttl=5)

    assert cache.size_bytes == 35


async def test_a_new_value_takes_the_old_ones_place(cache: BoundedMemoryCache) -> None:
    """The old value is neither found nor counted."""
    new = Thing(7)
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("a", new, ttl=5)

    assert await cache.get("a") is new
    assert cache.size_bytes == 7


async def test_a_new_value_has_a_time_of_its_own(cache: BoundedMemoryCache, clock: Clock) -> None:
    """What is left of the old value's time does not count."""
    await cache.set("a", Thing(), ttl=5)
    clock.advance(4)

    await cache.set("a", Thing(), ttl=5)
    clock.advance(4)

    assert await kept(cache, "a") == ["a"]


async def test_the_bound_can_be_filled_to_the_last_byte(cache: BoundedMemoryCache) -> None:
    """`max_bytes` may be used, all of it."""
    await cache.set("a", Thing(60), ttl=5)
    await cache.set("b", Thing(40), ttl=5)

    assert await kept(cache, "a", "b") == ["a", "b"]


async def test_the_least_recently_used_goes_first(cache: BoundedMemoryCache) -> None:
    """An entry that was asked for since outlives an older one that was not."""
    await cache.set("a", Thing(40), ttl=5)
    await cache.set("b", Thing(40), ttl=5)
    await cache.get("a")

    await cache.set("c", Thing(40), ttl=5)

    assert await kept(cache, "a", "b", "c") == ["a", "c"]
    assert cache.size_bytes == 80


async def test_as_many_go_as_the_new_one_needs(cache: BoundedMemoryCache) -> None:
    """One large answer can push out several small ones, and no more of them than it must."""
    for key in "abcde":
        await cache.set(key, Thing(20), ttl=5)

    await cache.set("large", Thing(50), ttl=5)

    assert await kept(cache, *"abcde", "large") == ["d", "e", "large"]


async def test_what_is_larger_than_the_bound_is_not_kept(cache: BoundedMemoryCache) -> None:
    """It pushes nothing out either."""
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("large", Thing(101), ttl=5)
    assert await kept(cache, "a", "large") == ["a"]
    assert cache.size_bytes == 60


async def test_a_value_that_grew_too_large_takes_the_old_one_with_it(
    cache: BoundedMemoryCache,
) -> None:
    """An older answer must not be served after a newer one was there."""
    await cache.set("a", Thing(60), ttl=5)

    await cache.set("a", Thing(101), ttl=5)

    assert await kept(cache, "a") == []
    assert cache.size_bytes == 0


async def test_expired_entries_go_when_another_is_set(
    cache: BoundedMemoryCache, clock: Clock
) -> None:
    """Customers' data do not outlive their use for want of anybody asking again."""
    await cache.set("a", Thing(), ttl=5)
    await cache.set("b", Thing(), ttl=5)
    clock.advance(5)

    await cache.set("c", Thing(), ttl=5)

    assert cache.size_bytes == 10
    assert await kept(cache, "a", "b", "c") == ["c"]


@pytest.mark.parametrize(("key", "deleted"), [("a", 1), ("b", 0)])
async def test_delete_says_how_many_it_deleted(
    cache: BoundedMemoryCache, key: str, deleted: int
) -> None:
    """Deleting what is not there does no harm."""
    await cache.set("a", Thing(), ttl=5)

    assert await cache.delete(key) == deleted
    assert await cache.get(key) is None
    assert cache.size_bytes == 10 - 10 * deleted


async def test_the_clock_is_the_machines_unless_it_is_given() -> None:
    """A cache made as the gateway makes it keeps things too."""
    thing: Any = Thing()
    cache = BoundedMemoryCache(max_bytes=100)

    await cache.set("a", thing, ttl=3600)

    assert await cache.get("a") is thing


@dataclass
class Growing:
    """Something that weighs more from time to time."""

    size_bytes: int


async def test_what_grows_while_it_is_kept_counts_in_full(cache: BoundedMemoryCache) -> None:
    """Its size is taken again when it is looked up, and others make room."""
    thing = Growing(10)
    await cache.set("old", Thing(60), ttl=5)
    await cache.set("a", thing, ttl=5)
    thing.size_bytes = 50

    assert await cache.get("a") is thing
    assert cache.size_bytes == 50
    assert await kept(cache, "old", "a") == ["a"]


async def test_what_outgrows_the_bound_goes_alone(cache: BoundedMemoryCache) -> None:
    """It is given once more; others need not make room in vain."""
    thing = Growing(10)
    await cache.set("old", Thing(60), ttl=5)
    await cache.set("a", thing, ttl=5)
    thing.size_bytes = 101

    assert await cache.get("a") is thing
    assert await kept(cache, "old", "a") == ["old"]
    assert (cache.size_bytes, cache.count) == (60, 1)


async def test_looking_needs_no_waiting(cache: BoundedMemoryCache) -> None:
    """What is in memory is at hand."""
    thing = Thing()
    await cache.set("a", thing, ttl=5)

    assert cache.peek("a") is thing
    assert cache.peek("b") is None


async def test_an_owner_over_its_share_loses_its_own_entries_first(
    cache: BoundedMemoryCache,
) -> None:
    """Its least recently used one goes, and others' older entries stay."""
    await cache.set("quiet", Thing(10), ttl=5, owner="quiet")
    for key in "abc":
        await cache.set(key, Thing(30), ttl=5, owner="noisy")
    await cache.get("a")
    await cache.set("d", Thing(30), ttl=5, owner="noisy")
    await cache.set("new", Thing(30), ttl=5, owner="new")

    assert await kept(cache, "quiet", *"abcd", "new") == ["quiet", "a", "d", "new"]
    assert cache.size_bytes == 100


async def test_alone_an_owner_may_use_the_whole_cache(cache: BoundedMemoryCache) -> None:
    """And what left, in whichever way, counts no more against its share."""
    for key in "abcd":
        await cache.set(key, Thing(25), ttl=5, owner="one")
    assert await kept(cache, *"abcd") == [*"abcd"]

    await cache.delete("a")
    await cache.set("large", Thing(101), ttl=5, owner="one")
    await cache.set("quiet", Thing(25), ttl=5, owner="other")

    assert await kept(cache, *"abcd", "quiet") == [*"bcd", "quiet"]


async def test_nobody_loses_its_last_entry_for_being_large(cache: BoundedMemoryCache) -> None:
    """The least recently used entry of all goes then."""
    await cache.set("old", Thing(20), ttl=5, owner="old")
    await cache.set("large", Thing(70), ttl=5, owner="large")
    await cache.set("new", Thing(20), ttl=5, owner="new")

    assert await kept(cache, "old", "large", "new") == ["large", "new"]


async def test_time_may_pass_anywhere() -> None:
    """Entries that expire between any two steps are counted once, and go once."""
    ticks = itertools.count()
    cache = BoundedMemoryCache(max_bytes=100, clock=lambda: next(ticks))
    chance = random.Random(4)
    for _ in range(5_000):
        key = str(chance.randrange(8))
        thing = Thing(chance.randrange(1, 60))
        await cache.set(key, thing, ttl=chance.randrange(1, 30), owner=chance.choice("ab"))
        await cache.get(str(chance.randrange(8)))
        assert 0 <= cache.size_bytes <= 100
    for _ in range(40):
        await cache.get("none")

    assert (cache.size_bytes, cache.count) == (0, 0)
