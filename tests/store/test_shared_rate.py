"""A rate that processes share."""

import asyncio
import time
from itertools import chain
from pathlib import Path

import redis

from gateway.store.redis import RedisCache
from gateway.store.shared import SharedCache
from gateway.store.shared_rate import SharedRate
from tests.store.fakes import Clock
from tests.store.redis_server import redis_server


async def waits(rate: SharedRate, *, times: int, longest_s: float = 60) -> list[float]:
    """Reserve so many times."""
    return [await rate.reserve(longest_s) for _ in range(times)]


async def test_no_second_has_more_than_its_number() -> None:
    """Later ones are reserved a second after the one that is so many before."""
    clock = Clock()
    rate = SharedRate("a tenant", 2, clock=clock)

    assert await waits(rate, times=5) == [0, 0, 1, 1, 2]
    assert await waits(rate, times=2, longest_s=1.5) == [2, 2]  # not reserved
    clock.advance(10)
    assert await waits(rate, times=3) == [0, 0, 1]


async def test_without_redis_each_worker_has_its_part() -> None:
    """So that all of them together keep to the number."""
    rate = SharedRate("a tenant", 4, workers=2, clock=Clock())

    assert await waits(rate, times=4) == [0, 0, 1, 1]


async def test_times_that_nobody_can_have_reserved_hold_nobody_up(tmp_path: Path) -> None:
    """Redis' clock may be set back, and others may write to its keys."""
    with redis_server(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        cache = SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, turn_s=1)
        rate = SharedRate("a tenant", 1, shared=cache)
        found = []
        for value in (f"[{time.time() * 1000 + 3_600_000}]", '["x"]', "1", "[", "null", "[[]]"):
            await rate.reserve(60)
            [key] = client.keys()
            client.set(key, value)
            found.append(await rate.reserve(60))
        client.delete(key)
        client.lpush(key, 1)
        found.append(await rate.reserve(60))
        await cache.aclose()

    assert found == [0] * 7
    assert not cache.outages.is_known


async def test_through_redis_all_processes_share_one_number(tmp_path: Path) -> None:
    """Each has a client of its own; when Redis is gone each goes on with its own part."""
    with redis_server(tmp_path) as server:
        caches = [
            SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, turn_s=1)
            for _ in range(2)
        ]
        rates = [SharedRate("a tenant", 10, workers=2, shared=cache) for cache in caches]
        started = time.monotonic()
        found = await asyncio.gather(*(waits(rate, times=15) for rate in rates))
        took_s = time.monotonic() - started
        other = await SharedRate("another", 10, shared=caches[0]).reserve(0)
        server.kill()
        after = await waits(rates[0], times=6)
        for cache in caches:
            await cache.aclose()

    for i, wait in enumerate(sorted(chain(*found))):
        assert max(0, i // 10 - took_s) - 0.01 <= wait <= i // 10 + 0.01  # Redis's milliseconds
    assert other == 0
    assert [wait > 0 for wait in after] == [False] * 5 + [True]
