"""The delivery of news to the watchers of a tenant."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from gateway.caller import Caller
from gateway.headers import Header
from gateway.live.bus import Bus, News
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store.keyed_cache import KeyedCache
from gateway.store.memory import BoundedMemoryCache
from tests.waiting import until

KARI = Caller(((b"authorization", b"Basic kari"),))
LONG_S = 3600.0


class Online:
    """Two tenants, the REST calls to each, and a bus for their watchers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sources = {name: self.source(name) for name in ("Cust1", "Cust2")}
        self.rhythms: dict[Source, Rhythm] = {}
        self.watchers_of = KeyedCache(self.watchers, most=1)
        self.bus = Bus(self.sources.get, self.watchers_of, receives_all=True)

    def source(self, name: str) -> Source:
        """Make the source of a tenant."""

        async def fetch(caller: Caller, trace: Sequence[Header]) -> bytes:
            self.calls.append(name)
            return b"[]"

        return Source(
            fetch=fetch,
            decode=lambda body: [],
            cache=BoundedMemoryCache(max_bytes=2**20),
            upstream_url=f"https://online.invalid/{name}",
            windows=Windows(LONG_S),
        )

    def watchers(self, source: Source) -> Watchers:
        """Make the watchers of a tenant."""
        self.rhythms[source] = Rhythm(interval_s=LONG_S, slowest_s=LONG_S)
        return Watchers(source, rhythm=self.rhythms[source], compare=Comparison(()))

    async def publish(self, tenant: str) -> None:
        """Publish a change of a tenant."""
        await self.bus.publish(News(tenant, self.sources["Cust1"].clock_ns()))


@contextlib.asynccontextmanager
async def watching(online: Online) -> AsyncIterator[None]:
    """Have a watcher of one caller at each tenant."""
    async with contextlib.AsyncExitStack() as stack:
        for source in online.sources.values():
            await stack.enter_async_context(online.watchers_of(source).watching(KARI))
        await until(lambda: len(online.calls) == len(online.sources))
        yield


async def test_news_concerns_one_tenant_only() -> None:
    """News polls the watchers of its own tenant only, also if they are no longer cached."""
    online = Online()
    async with watching(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)

    assert online.calls.count("Cust2") == 1
    assert [online.rhythms[source].is_notified for source in online.sources.values()] == [
        True,
        False,
    ]


async def test_news_of_an_unknown_tenant_is_ignored() -> None:
    """News of an unknown tenant, where the app may be installed as well, is ignored."""
    online = Online()
    async with watching(online):
        await online.publish("Cust3")
        await asyncio.sleep(0.01)

    assert sorted(online.calls) == ["Cust1", "Cust2"]


async def test_after_a_gap_all_tenants_are_polled() -> None:
    """If news may be lost, all tenants are polled, at short intervals until the next news."""
    online = Online()
    async with watching(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)
        online.bus.deliver(None)
        await until(lambda: len(online.calls) == 5)

    assert not any(rhythm.is_notified for rhythm in online.rhythms.values())


async def test_intervals_stay_short_without_a_complete_bus() -> None:
    """Intervals stay short if the next webhook may reach another process."""
    online = Online()
    online.bus.receives_all = False
    async with watching(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)

    assert not any(rhythm.is_notified for rhythm in online.rhythms.values())


async def test_closing_stops_all_watchers() -> None:
    """Closing stops all watchers, also of tenants that are no longer cached."""
    online = Online()
    async with watching(online):
        await online.bus.aclose()
        await online.publish("Cust1")
        await asyncio.sleep(0.01)

    assert sorted(online.calls) == ["Cust1", "Cust2"]
