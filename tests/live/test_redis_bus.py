"""News between processes that share a real Redis, with and without outages."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import pytest
import redis

from gateway.live import bus as bus_module
from gateway.live.bus import Bus, News
from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.store import redis as pubsub
from gateway.store.keyed_cache import KeyedCache
from gateway.store.redis import Channel
from tests.observe.logged import logged
from tests.store.redis_server import RedisServer
from tests.waiting import until

pytestmark = pytest.mark.socket

SECOND = 10**9


class RecordingBus(Bus):
    """A bus that records the news that it would deliver."""

    def __init__(self, channel: Channel, *, ahead_s: int = 0) -> None:
        nobody = KeyedCache[Source, Watchers](lambda _: pytest.fail("not used"), most=1)
        super().__init__(
            lambda _: None,
            nobody,
            receives_all=False,
            channel=channel,
            clock_ns=lambda: time.time_ns() + ahead_s * SECOND,
        )
        self.received: list[News | None] = []

    def deliver(self, news: News | None) -> None:
        """Record the news."""
        self.received.append(news)


class Process:
    """A process on the bus, and the news that it has received."""

    def __init__(self, server: RedisServer, *, ahead_s: int = 0, timeout_s: float = 5) -> None:
        channel = Channel(server.url, timeout_s=timeout_s)
        self.bus = RecordingBus(channel, ahead_s=ahead_s)
        self.received = self.bus.received

    @property
    def tenants(self) -> list[str]:
        """The tenants of the received news."""
        return [news.tenant for news in self.received if news is not None]


@contextlib.asynccontextmanager
async def listening(*processes: Process) -> AsyncIterator[None]:
    """Listen in these processes, and wait until all are connected."""
    tasks = [asyncio.create_task(p.bus.listen()) for p in processes]
    await until(lambda: all(p.bus.receives_all for p in processes))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in processes:
            await process.bus.aclose()


async def publish_from_another_process(server: RedisServer, news: News) -> None:
    """Publish news from another process."""
    other = Process(server)
    await other.bus.publish(news)
    await other.bus.aclose()


async def test_every_process_receives_published_news(server: RedisServer) -> None:
    """Each process, also the publisher, receives news once."""
    one, two = Process(server), Process(server)
    async with listening(one, two):
        await one.bus.publish(News("Cust1", time.time_ns()))
        await two.bus.publish(News("Cust2", time.time_ns()))
        await until(lambda: len(one.tenants) == len(two.tenants) == 2)
        await asyncio.sleep(0.05)

    assert sorted(one.tenants) == sorted(two.tenants) == ["Cust1", "Cust2"]


@pytest.mark.parametrize("ahead_s", [-100, 0, 100])
async def test_news_has_a_valid_time_despite_different_clocks(
    server: RedisServer, ahead_s: int
) -> None:
    """By the receiver's clock, the time of news is recent and never in the future."""
    one, other = Process(server), Process(server, ahead_s=ahead_s)
    async with listening(one, other):
        published_ns, of_receiver_ns = time.time_ns(), time.time_ns() + ahead_s * SECOND
        await one.bus.publish(News("Cust1", published_ns))
        await until(lambda: other.tenants)

    (received_ns,) = [news.received_ns for news in other.received if news is not None]
    # Never much too early: a change in between would be in no snapshot.
    assert of_receiver_ns - SECOND / 10 < received_ns <= time.time_ns() + ahead_s * SECOND


async def test_invalid_messages_on_the_channel_are_ignored(server: RedisServer) -> None:
    """Invalid messages on the channel of a shared Redis are ignored."""
    process = Process(server)
    with redis.Redis.from_url(server.url) as client:
        async with listening(process):
            invalid = (
                {"sender": 1, "tenant": [], "received_ns": ""},
                {"tenant": "Cust2", "received_ns": 1},
            )
            for text in ("hello", "{}", *map(json.dumps, invalid)):
                client.publish("superoffice-chat-gateway:changed", text)
            await publish_from_another_process(server, News("Cust1", 1))
            await until(lambda: process.tenants)

    assert process.tenants == ["Cust1"]


async def test_other_tasks_run_between_messages() -> None:
    """Other tasks run between messages, also if many arrive at once."""
    yielded: list[int] = []

    class Flooded(Channel):
        async def messages(self) -> AsyncGenerator[bytes | None, None]:
            for number in range(100):
                yielded.append(number)
                yield b"garbage"
            await asyncio.Event().wait()

    bus = RecordingBus(Flooded("redis://127.0.0.1", timeout_s=1))
    listening = asyncio.create_task(bus.listen())
    counts = set()
    while len(yielded) < 100:
        await asyncio.sleep(0)
        counts.add(len(yielded))
    listening.cancel()

    assert len(counts) > 90


async def test_news_that_cannot_be_published_is_published_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The latest of each tenant, in turns; after a minute, all processes have polled anyway."""
    monkeypatch.setattr(bus_module, "_PUBLISHED_AGAIN_S", 0)
    published: list[News] = []

    class Failing(Channel):
        async def publish(self, message: bytes) -> None:
            published.append(msgspec.json.decode(message, type=News))
            await asyncio.sleep(0)
            if len(published) < 4:
                raise ConnectionError

    bus = RecordingBus(Failing("redis://127.0.0.1", timeout_s=1))
    now_ns = time.time_ns()
    for received_ns in (now_ns, now_ns + 1):
        for tenant in ("Cust1", "Cust2"):
            await bus.publish(News(tenant, received_ns))
    await bus.publish(News("Cust3", now_ns - 70 * SECOND))
    await until(lambda: not bus._unpublished)

    assert [news.tenant for news in published] == ["Cust1", "Cust2", "Cust3", "Cust1", "Cust2"]
    assert {news.received_ns for news in published[3:]} == {now_ns + 1}


async def test_a_connection_that_breaks_again_and_again_is_rarely_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time costs two polls of each caller and two log lines, in the end once a minute."""
    waits: list[float] = []

    def longest(_: float, most_s: float) -> float:
        waits.append(most_s)
        return 0

    class Flapping(Channel):
        async def messages(self) -> AsyncGenerator[bytes | None, None]:
            yield None
            if len(waits) == 8:
                bus.clock_ns = lambda: time.time_ns() + 10 * SECOND
            raise PermissionError("NoPermissionError")

    monkeypatch.setattr(random, "uniform", longest)
    bus = RecordingBus(Flapping("redis://127.0.0.1", timeout_s=1))
    listening = asyncio.create_task(bus.listen())
    await until(lambda: len(waits) > 8)
    listening.cancel()

    assert waits[:9] == [2, 4, 8, 16, 32, 60, 60, 60, 1]


@pytest.mark.parametrize(
    ("error", "reports"), [(ConnectionError(), 1), (PermissionError(), 0)], ids=repr
)
async def test_a_redis_that_cannot_be_reached_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, error: OSError, reports: int
) -> None:
    """A missing right has been reported at the start, by name."""
    monkeypatch.setattr(bus_module, "_SHORTEST_WAIT_S", 0)
    attempts = 0

    class Unreachable(Channel):
        async def messages(self) -> AsyncGenerator[bytes | None, None]:
            nonlocal attempts
            attempts += 1
            raise error
            yield

    bus = RecordingBus(Unreachable("redis://127.0.0.1", timeout_s=1))
    with logged() as log:
        listening = asyncio.create_task(bus.listen())
        await until(lambda: attempts > 3)
        listening.cancel()

    assert len(log.events) == reports


@pytest.mark.parametrize(("fault", "end"), [("kill", "start"), ("pause", "resume")])
async def test_an_outage_is_detected_and_recovered_from(
    server: RedisServer, fault: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outage and its end are logged once; the own news is received during it."""
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
            await publish_from_another_process(server, News("Cust2", 1))
            await until(lambda: len(process.tenants) == 2)

    assert process.received.count(None) == 3
    messages = [event["event"].partition(":")[0] for event in log.events]
    connected, lost = (
        "Webhooks from other processes arrive here",
        "Webhooks from other processes do not arrive here",
    )
    assert messages == [connected, lost, connected]


async def test_listening_can_be_cancelled_at_any_step(server: RedisServer) -> None:
    """A cancellation ends the listener while it connects, subscribes or listens."""
    for steps in range(60):
        bus = Process(server).bus
        listening = asyncio.create_task(bus.listen())
        for _ in range(steps):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait((listening,), timeout=10)
        assert listening.cancelled(), steps
        await bus.aclose()
