"""What processes share: who gets what is there, whose turn it is, and what failures cost."""

import asyncio
import contextlib
import os
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.store import lease
from gateway.store import shared as shared_module
from gateway.store.lease import turn
from gateway.store.shared import TIMES, Found, Place, SharedCache
from tests.store.fakes import Clock
from tests.store.remote import Remote

PLACE = Place("kari", bytes(32))


@pytest.fixture
def clock() -> Clock:
    """Return the time that everything here goes by."""
    return Clock()


@pytest.fixture
def remote(clock: Clock) -> Remote:
    """Return the cache that everybody shares."""
    return Remote(clock)


def process_over(remote: Remote, **options: Any) -> SharedCache:
    """Return one process's view of it."""
    made = {"max_bytes": 1000, "answer_s": 0.25, "turn_s": 10, "clock": remote.clock, **options}
    return SharedCache(remote, **made)


def content(kept: Found) -> bytes:
    """Return what was kept."""
    return kept.content


def nothing(_: Found) -> bytes | None:
    """Find what was kept useless."""
    return None


async def found_by(shared: SharedCache) -> bytes | None:
    """Return what a process finds there."""
    kept = await shared.get(PLACE)
    return None if kept is None else kept.content


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes look again at once; the clock is told what time it is."""
    monkeypatch.setattr(lease, "_FIRST_POLL_S", 0)
    monkeypatch.setattr(lease, "_LATER_POLLS_S", 0)


async def test_what_one_process_puts_there_another_gets(remote: Remote) -> None:
    """Under the same name, with the same key, until its time is up."""
    await process_over(remote).put(PLACE, b"sessions", ttl_s=5)

    found = [await found_by(process_over(remote))]
    remote.clock.advance(5)
    found.append(await found_by(process_over(remote)))

    assert found == [b"sessions", None]


async def test_what_is_kept_has_an_age(remote: Remote) -> None:
    """By the clock of the cache; what was old already when it was put there ends the sooner."""
    shared = process_over(remote)
    await shared.put(PLACE, b"sessions", ttl_s=5, age_s=2)

    remote.clock.advance(1)
    kept = await shared.get(PLACE)
    remote.clock.advance(2)

    assert kept is not None
    assert kept.age_s == 3
    assert await shared.get(PLACE) is None


@pytest.mark.parametrize("age_s", [4.9997, 5, 6])
async def test_what_is_over_is_not_kept(remote: Remote, age_s: float) -> None:
    """Redis would take it for a mistake."""
    shared = process_over(remote)

    await shared.put(PLACE, b"sessions", ttl_s=5, age_s=age_s)

    assert not remote.kept


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("ttl_s", [5, float("inf")])
async def test_an_old_entry_that_is_set_again_stays_old(
    remote: Remote, ttl_s: float, dated: bool
) -> None:
    """With a fresh time to live, or none, and also with a fresh date."""
    shared = process_over(remote)
    await shared.put(PLACE, b"sessions", ttl_s=5)
    entry, _ = remote.kept["kari"]
    remote.clock.advance(3)
    remote.kept["kari"] = (entry, remote.clock() + ttl_s)
    aged = await shared.get(PLACE)
    remote.clock.advance(2)
    if dated:
        entry = TIMES.pack(remote.clock(), 500) + entry[TIMES.size :]
    remote.kept["kari"] = (entry, remote.clock() + ttl_s)

    assert aged is not None
    assert aged.age_s == 3
    assert await shared.get(PLACE) is None


async def test_an_entry_of_the_future_is_not_used(remote: Remote) -> None:
    """After a failover to a Redis whose clock is behind."""
    await process_over(remote).put(PLACE, b"sessions", ttl_s=500)

    remote.clock.advance(-60)

    assert await process_over(remote).get(PLACE) is None


async def test_what_is_written_in_another_way_is_not_read(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a new version of the gateway takes over, both share the cache."""
    await process_over(remote).put(PLACE, b"sessions", ttl_s=5)

    monkeypatch.setattr(shared_module, "_FORM", b"4 ")

    assert await process_over(remote).get(PLACE) is None


async def test_what_is_forgotten_is_gone(remote: Remote) -> None:
    """For every process."""
    shared = process_over(remote)
    await shared.put(PLACE, b"sessions", ttl_s=5)

    await shared.forget(PLACE)

    assert await found_by(process_over(remote)) is None


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", bytes(100), TIMES.pack(1000, 500) + bytes(100), bytes(10**6)]
)
async def test_garbage_is_as_good_as_nothing(remote: Remote, garbage: bytes) -> None:
    """Whoever wrote it there, and however young it looks: it is fetched, and written over."""
    remote.kept["kari"] = (garbage, float("inf"))
    shared = process_over(remote)

    assert await found_by(shared) is None
    async with turn(shared, PLACE, usable=content) as mine:
        assert mine.found is None
        await mine.store(b"sessions", ttl_s=5, age_s=0)

    assert await found_by(shared) == b"sessions"


@pytest.mark.parametrize("size", [0, 10**9])
async def test_large_entries_are_sealed_beside_the_event_loop(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """What comes of it is the same."""
    monkeypatch.setattr(shared_module, "_LARGE", size)
    shared = process_over(remote)

    await shared.put(PLACE, b"sessions", ttl_s=5)

    assert await found_by(shared) == b"sessions"


async def test_of_all_processes_one_gets_what_is_missing(remote: Remote) -> None:
    """The others wait until it is there."""
    calls = []

    async def process(number: int) -> bytes:
        shared = process_over(remote)
        async with turn(shared, PLACE, usable=content) as mine:
            if mine.found is None:
                calls.append(number)
                await asyncio.sleep(0.01)
                await mine.store(b"sessions", ttl_s=5, age_s=0)
            return mine.found or b"sessions"

    found = await asyncio.gather(*(process(number) for number in range(10)))

    assert found == [b"sessions"] * 10
    assert len(calls) == 1
    assert not [key for key in remote.kept if "lease" in key]


async def test_what_is_there_but_of_no_use_is_got_anew(remote: Remote) -> None:
    """Too old, for one."""
    shared = process_over(remote)
    await shared.put(PLACE, b"sessions", ttl_s=5)

    async with turn(shared, PLACE, usable=nothing) as mine:
        assert mine.found is None


@pytest.mark.parametrize("entry", [b"ab", bytes(40)])
async def test_an_entry_whatever_is_asked_for_holds_nobody_up(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, entry: bytes
) -> None:
    """It is no Redis that answers."""
    monkeypatch.setattr(remote, "_reply", lambda _: (remote.clock(), entry, False))

    async with turn(process_over(remote), PLACE, usable=content) as mine:
        assert mine.found is None


async def test_who_fails_gives_the_turn_to_the_next(remote: Remote) -> None:
    """At once."""
    shared = process_over(remote)
    with contextlib.suppress(RuntimeError):
        async with turn(shared, PLACE, usable=content):
            raise RuntimeError

    async with turn(process_over(remote), PLACE, usable=content) as mine:
        assert mine.found is None


async def test_a_dead_holder_costs_its_lease(remote: Remote) -> None:
    """Two seconds later the next one has its turn."""
    dead = turn(process_over(remote), PLACE, usable=content)
    await dead.__aenter__()
    waiting = asyncio.create_task(turn(process_over(remote), PLACE, usable=content).__aenter__())

    waited = []
    for _ in range(5):
        for _ in range(20):
            await asyncio.sleep(0)
        waited.append(waiting.done())
        remote.clock.advance(0.5)

    assert waited == [False, False, False, False, True]


async def test_a_living_holder_keeps_its_lease(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It renews it for as long as REST takes."""
    monkeypatch.setattr(lease, "_RENEWED_AFTER_S", 0)
    async with turn(process_over(remote), PLACE, usable=content):
        waiting = asyncio.create_task(
            turn(process_over(remote), PLACE, usable=content).__aenter__()
        )
        for _ in range(8):
            remote.clock.advance(1)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
    assert (await waiting).found is None


async def test_waiting_has_an_end(remote: Remote) -> None:
    """A holder that lives and never comes back is not waited for longer than patience lasts."""
    shared = process_over(remote, turn_s=3)
    waiting = asyncio.create_task(turn(shared, PLACE, usable=content).__aenter__())
    for _ in range(4):
        remote.kept["kari:lease"] = (b"another's", remote.clock() + 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert waiting.done() == (remote.clock() == 1003)
        remote.clock.advance(1)

    with pytest.raises(TimeoutError):
        await waiting
    assert remote.kept["kari:lease"][0] == b"another's"


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
async def test_no_failure_gets_out(remote: Remote, failure: Exception) -> None:
    """Nothing is found, nothing is kept, and it is this process's turn at once."""
    remote.failure = failure
    shared = process_over(remote)

    await shared.put(PLACE, b"sessions", ttl_s=5)
    await shared.forget(PLACE)
    async with turn(shared, PLACE, usable=content) as mine:
        assert mine.found is None
    await shared.aclose()

    assert await found_by(shared) is None
    assert remote.is_closed


async def test_a_failing_cache_is_left_alone(remote: Remote) -> None:
    """A thousand requests in an outage do not each wait for it."""
    remote.failure = TimeoutError()
    shared = process_over(remote)

    for _ in range(1000):
        async with turn(shared, PLACE, usable=content):
            await shared.put(PLACE, b"sessions", ttl_s=5)

    assert remote.calls == 1


async def test_a_cache_that_hangs_is_waited_for_once(remote: Remote) -> None:
    """Who stands in line behind the first few goes on when these give up."""
    remote.is_hung = True
    shared = process_over(remote, answer_s=0.01)

    found = await asyncio.gather(*(shared.get(PLACE) for _ in range(1000)), shared.aclose())

    assert found == [None] * (1000 + 1)
    assert remote.calls == 1


async def test_round_trips_are_few(remote: Remote) -> None:
    """One to look and to take the lease, one to store and to give it back; many share one."""
    shared = process_over(remote)
    async with turn(shared, PLACE, usable=content) as mine:
        assert (mine.found, remote.calls) == (None, 1)
        await mine.store(b"sessions", ttl_s=5, age_s=0)
    await shared.aclose()
    assert ([*remote.kept], remote.calls) == (["kari"], 2)

    await asyncio.gather(*(shared.get(PLACE) for _ in range(1000)))

    assert remote.calls == 2 + 16


async def test_what_waits_to_be_written_is_bounded(remote: Remote) -> None:
    """Past 4 MiB it is dropped, and counted; its lease is given back all the same."""
    shared = process_over(remote, max_bytes=2**20)
    async with contextlib.AsyncExitStack() as stack:
        turns = [turn(shared, Place(str(i), bytes(32)), usable=content) for i in range(10)]
        for mine in [await stack.enter_async_context(one) for one in turns]:
            await mine.store(os.urandom(2**20 - 100), ttl_s=5, age_s=0)  # not one turn of the loop

    await shared.aclose()

    assert len(remote.kept) == 4
    assert shared.dropped == 6


async def test_after_a_failure_new_connections_are_made(remote: Remote) -> None:
    """Once: where the old ones lead to, nothing may be written any more."""
    remote.failure = ResponseError("READONLY You can't write against a read only replica.")
    shared = process_over(remote)

    await asyncio.gather(*(shared.forget(PLACE) for _ in range(5)))

    assert remote.connections == 2


async def test_what_is_owed_is_kept_when_the_cache_works_again(remote: Remote) -> None:
    """Unless its time is up; what is not owed is not."""
    remote.failure = TimeoutError()
    shared = process_over(remote)
    for name, ttl_s, is_owed in (("a", 5, True), ("b", 1, True), ("c", 5, False)):
        await shared.put(Place(name, bytes(32)), b"", ttl_s=ttl_s, is_owed=is_owed)
    remote.clock.advance(2)
    remote.failure = None

    await shared.put(PLACE, b"sessions", ttl_s=5)
    await shared.aclose()

    assert {name: until - remote.clock() for name, (_, until) in remote.kept.items()} == {
        "kari": 5,
        "a": 3,
    }


async def test_what_fails_again_is_owed_on(remote: Remote) -> None:
    """The cache takes small things before it takes large ones."""
    remote.is_full = True
    shared = process_over(remote)
    await shared.put(PLACE, bytes(range(256)), ttl_s=50, is_owed=True)
    remote.is_full, remote.most = False, 100
    for most in (100, 1_000):
        remote.clock.advance(10)
        remote.most = most
        await shared.put(Place("jonas", bytes(32)), b"", ttl_s=50)
        await shared.aclose()
        assert ("kari" in remote.kept) == (most == 1_000)


@pytest.mark.parametrize("left_s", [2.5, 3_600, float("inf")])
async def test_a_lease_that_ends_later_than_ours_is_not_ours(remote: Remote, left_s: float) -> None:
    """Whoever put it there holds nobody up."""
    remote.kept["kari:lease"] = (b"garbage", remote.clock() + left_s)

    shared = process_over(remote)
    async with turn(shared, PLACE, usable=content) as mine:
        assert mine.found is None
    await shared.aclose()

    assert not remote.kept


async def test_a_cache_that_takes_only_what_is_small_does_not_work(
    remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes leases and no answers: that is told once."""
    remote.most = 100
    shared = process_over(remote)
    for _ in range(5):
        async with turn(shared, PLACE, usable=content) as mine:
            assert mine.found is None
            await mine.store(bytes(range(256)), ttl_s=5, age_s=0)
        remote.clock.advance(10)

    assert len(caplog.records) == 1


async def test_it_recovers_by_itself(remote: Remote) -> None:
    """After the pause it is asked again, and used again."""
    remote.failure = TimeoutError()
    shared = process_over(remote)
    assert await found_by(shared) is None

    remote.failure = None
    remote.clock.advance(1)
    await shared.put(PLACE, b"sessions", ttl_s=5)

    assert await found_by(shared) == b"sessions"
    assert not shared.outages.is_known


async def test_a_full_cache_still_gives_what_it_has(remote: Remote) -> None:
    """And its trouble is not over because something could be read."""
    shared = process_over(remote)
    await shared.put(PLACE, b"sessions", ttl_s=500)
    remote.is_full = True
    await shared.put(Place("jonas", bytes(32)), b"sessions", ttl_s=5)
    remote.clock.advance(1)

    assert await found_by(shared) == b"sessions"
    assert shared.outages.is_known
    async with turn(shared, Place("per", bytes(32)), usable=content) as mine:
        assert mine.found is None
