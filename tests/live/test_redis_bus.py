"""News between processes that share a real Redis, while it is well and while it is not."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from gateway.live.bus import News, RedisBus
from gateway.store import redis as pubsub
from gateway.store.redis import Channel
from tests.observe.logged import logged
from tests.store.redis_server import RedisServer, redis_server
from tests.waiting import until

pytestmark = pytest.mark.socket

SECOND = 10**9


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis."""
    with redis_server(tmp_path) as running:
        yield running


class Process:
    """One of those that share a bus, and what it has heard."""

    def __init__(self, server: RedisServer, *, ahead_s: int = 0, timeout_s: float = 5) -> None:
        self.heard: list[News | None] = []
        self.bus = RedisBus(
            Channel(server.url, timeout_s=timeout_s),
            clock_ns=lambda: time.time_ns() + ahead_s * SECOND,
        )

    @property
    def tenants(self) -> list[str]:
        """Return whose news came."""
        return [news.tenant for news in self.heard if news is not None]


@contextlib.asynccontextmanager
async def listening(*processes: Process) -> AsyncIterator[None]:
    """Have them listen, as soon as they can."""
    tasks = [asyncio.create_task(p.bus.listen(p.heard.append)) for p in processes]
    await until(lambda: all(p.bus.receives_all for p in processes))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in processes:
            await process.bus.aclose()


async def published(server: RedisServer, news: News) -> None:
    """Have another process publish something."""
    other = Process(server)
    await other.bus.publish(news)
    await other.bus.aclose()


async def test_every_process_hears_what_one_publishes(server: RedisServer) -> None:
    """Once, also the one that has published it."""
    one, two = Process(server), Process(server)
    async with listening(one, two):
        await one.bus.publish(News("Cust1", time.time_ns()))
        await two.bus.publish(News("Cust2", time.time_ns()))
        await until(lambda: len(one.tenants) == len(two.tenants) == 2)
        await asyncio.sleep(0.05)

    assert sorted(one.tenants) == sorted(two.tenants) == ["Cust1", "Cust2"]


@pytest.mark.parametrize("ahead_s", [-100, 0, 100])
async def test_clocks_that_differ_do_no_harm(server: RedisServer, ahead_s: int) -> None:
    """What is heard was never in the future, nor long ago, by the clock of who hears it."""
    one, other = Process(server), Process(server, ahead_s=ahead_s)
    async with listening(one, other):
        told_ns = time.time_ns()
        await one.bus.publish(News("Cust1", told_ns))
        await until(lambda: other.tenants)

    (heard_ns,) = [news.heard_ns for news in other.heard if news is not None]
    now_ns = time.time_ns() + ahead_s * SECOND
    assert now_ns - 5 * SECOND < heard_ns <= now_ns
    assert (heard_ns == told_ns) is (ahead_s == 0)


async def test_what_others_write_to_the_channel_is_nothing(server: RedisServer) -> None:
    """A Redis may be shared with anybody."""
    process = Process(server)
    with redis.Redis.from_url(server.url) as client:
        async with listening(process):
            wrong = {"sender": 1, "tenant": [], "heard_ns": ""}, {"tenant": "Cust2", "heard_ns": 1}
            for text in ("hello", "{}", *map(json.dumps, wrong)):
                client.publish("superoffice-chat-gateway:changed", text)
            await published(server, News("Cust1", 1))
            await until(lambda: process.tenants)

    assert process.tenants == ["Cust1"]


async def test_others_have_their_turn_between_messages() -> None:
    """Thousands may have arrived at once."""
    taken: list[int] = []

    class Flooded(Channel):
        async def messages(self) -> AsyncGenerator[bytes | None, None]:
            for number in range(100):
                taken.append(number)
                yield b"garbage"
            await asyncio.Event().wait()

    bus = RedisBus(Flooded("redis://127.0.0.1", timeout_s=1))
    listening = asyncio.create_task(bus.listen(lambda news: None))
    seen = set()
    while len(taken) < 100:
        await asyncio.sleep(0)
        seen.add(len(taken))
    listening.cancel()

    assert len(seen) > 90


@pytest.mark.parametrize(("fault", "end"), [("kill", "start"), ("pause", "resume")])
async def test_an_outage_is_noticed_and_gets_over(
    server: RedisServer, fault: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told once each way; what this process is told itself is heard all the time."""
    monkeypatch.setattr(pubsub, "_SILENCE_S", 1)
    process = Process(server, timeout_s=0.25)
    with logged() as log:
        async with listening(process):
            getattr(server, fault)()
            await until(lambda: not process.bus.receives_all)
            await asyncio.gather(process.bus.publish(News("Cust1", 1)))
            assert process.tenants == ["Cust1"]
            getattr(server, end)()
            await until(lambda: process.bus.receives_all)
            await published(server, News("Cust2", 1))
            await until(lambda: len(process.tenants) == 2)

    assert process.heard.count(None) == 3
    told = [event["event"].partition(":")[0] for event in log.events]
    heard, lost = (
        "Webhooks that reach other processes are seen here",
        "Webhooks that reach other processes are not seen here",
    )
    assert told == [heard, lost, heard]


async def test_whenever_it_is_told_to_stop_it_does(server: RedisServer) -> None:
    """A cancellation at any step ends it: while it connects, subscribes or listens."""
    for steps in range(60):
        bus = Process(server).bus
        listening = asyncio.create_task(bus.listen(lambda _: None))
        for _ in range(steps):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait((listening,), timeout=10)
        assert listening.cancelled(), steps
        await bus.aclose()
