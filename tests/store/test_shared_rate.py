"""A rate of calls that processes share."""

import asyncio
import json
import time
from itertools import chain
from pathlib import Path

import redis

from gateway.store.redis import RedisCache
from gateway.store.shared import SharedCache
from gateway.store.shared_rate import SharedRate
from tests.clock import FakeClock
from tests.store.redis_server import redis_server


async def waits(rate: SharedRate, *, times: int, longest_s: float = 60) -> list[float]:
    """Reserve this many calls and return their wait times."""
    return [await rate.reserve(longest_s) for _ in range(times)]


async def test_no_second_has_more_calls_than_the_rate() -> None:
    """Calls past the rate are reserved for later seconds."""
    clock = FakeClock()
    rate = SharedRate("a tenant", 2, clock=clock)

    assert await waits(rate, times=5) == [0, 0, 1, 1, 2]
    assert await waits(rate, times=2, longest_s=1.5) == [2, 2]  # not reserved
    clock.advance(10)
    assert await waits(rate, times=3) == [0, 0, 1]


async def test_without_redis_each_worker_has_a_part_of_the_rate() -> None:
    """Without Redis the workers divide the rate."""
    rate = SharedRate("a tenant", 4, workers=2, clock=FakeClock())

    assert await waits(rate, times=4) == [0, 0, 1, 1]
    low = SharedRate("a tenant", 1, workers=2, clock=FakeClock())
    assert await waits(low, times=3) == [0, 1, 2]


async def test_invalid_reservations_are_ignored(tmp_path: Path) -> None:
    """Invalid values in Redis, or times from a clock that was set back, delay no call."""
    with redis_server(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        cache = SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, lease_wait_s=1)
        rate = SharedRate("a tenant", 1, shared=cache)
        wait_times = []
        for value in (f"[{time.time() * 1000 + 3_600_000}]", '["x"]', "1", "[", "null", "[[]]"):
            await rate.reserve(60)
            [key] = client.keys()
            client.set(key, value)
            wait_times.append(await rate.reserve(60))
        client.delete(key)
        client.lpush(key, 1)
        wait_times.append(await rate.reserve(60))
        await cache.aclose()

    assert wait_times == [0] * 7
    assert not cache.outages.is_known


async def test_times_of_the_last_second_alone_are_kept(tmp_path: Path) -> None:
    """A high rate does not make each call read and write the calls of hours."""
    with redis_server(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        cache = SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, lease_wait_s=1)
        rate = SharedRate("a tenant", 1_000, shared=cache)
        await rate.reserve(60)
        [key] = client.keys()
        now_ms = int(time.time() * 1000)
        times = [now_ms + 500, *(now_ms - 60_000 - number for number in range(900))]
        client.set(key, json.dumps(times))
        await rate.reserve(60)
        await cache.aclose()
        left = json.loads(client.get(key) or "")

    assert len(left) == 2


async def test_processes_share_one_rate_through_redis(tmp_path: Path) -> None:
    """Processes share one rate; without Redis each continues with its part."""
    with redis_server(tmp_path) as server:
        caches = [
            SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, lease_wait_s=1)
            for _ in range(2)
        ]
        rates = [SharedRate("a tenant", 10, workers=2, shared=cache) for cache in caches]
        started = time.monotonic()
        wait_times = await asyncio.gather(*(waits(rate, times=15) for rate in rates))
        took_s = time.monotonic() - started
        other = await SharedRate("another", 10, shared=caches[0]).reserve(0)
        server.kill()
        after = await waits(rates[0], times=6)
        for cache in caches:
            await cache.aclose()

    for i, wait in enumerate(sorted(chain(*wait_times))):
        assert max(0, i // 10 - took_s) - 0.01 <= wait <= i // 10 + 0.01  # Redis's milliseconds
    assert other == 0
    assert [wait > 0 for wait in after] == [False] * 5 + [True]
