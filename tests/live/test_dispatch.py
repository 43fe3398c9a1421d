"""Whom news of changes concerns."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from gateway.caller import Caller
from gateway.headers import Header
from gateway.live.bus import Bus, News
from gateway.live.changes import Comparison
from gateway.live.dispatch import Dispatch
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
    """Two tenants, what is asked of each, and a dispatch for their watchers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sources = {name: self.source(name) for name in ("Cust1", "Cust2")}
        self.rhythms: dict[Source, Rhythm] = {}
        self.watchers_of = KeyedCache(self.watchers, most=1)
        self.bus = Bus()
        self.dispatch = Dispatch(self.bus, self.sources.get, self.watchers_of)

    def source(self, name: str) -> Source:
        """Make the source of a tenant."""

        async def fetch(headers: Sequence[Header]) -> bytes:
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
        """Tell of a change, now."""
        await self.bus.publish(News(tenant, self.sources["Cust1"].clock_ns()))


@contextlib.asynccontextmanager
async def open_for_business(online: Online) -> AsyncIterator[None]:
    """Have the dispatch listen, with a watcher of Kari at each tenant."""
    async with contextlib.AsyncExitStack() as stack:
        listening = asyncio.create_task(online.dispatch.run())
        for source in online.sources.values():
            await stack.enter_async_context(online.watchers_of(source).watching(KARI))
        await until(lambda: len(online.calls) == len(online.sources))
        yield
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_news_concerns_one_tenant_alone() -> None:
    """However long ago it was asked for: it is watched, so it is known."""
    online = Online()
    async with open_for_business(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)

    assert online.calls.count("Cust2") == 1
    assert [online.rhythms[source].is_notified for source in online.sources.values()] == [
        True,
        False,
    ]


async def test_news_of_a_tenant_that_is_not_served_concerns_nobody() -> None:
    """Webhooks of an app come from all who have installed it."""
    online = Online()
    async with open_for_business(online):
        await online.publish("Cust3")
        await asyncio.sleep(0.01)

    assert sorted(online.calls) == ["Cust1", "Cust2"]


async def test_news_that_may_be_lost_is_looked_for() -> None:
    """All read anew, and nobody relies on being told until there is news again."""
    online = Online()
    async with open_for_business(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)
        online.bus.listener(None)
        await until(lambda: len(online.calls) == 5)

    assert not any(rhythm.is_notified for rhythm in online.rhythms.values())


async def test_nobody_relies_on_a_bus_that_does_not_reach_all() -> None:
    """The next webhook may reach another process."""
    online = Online()
    online.bus.receives_all = False
    async with open_for_business(online):
        await online.publish("Cust1")
        await until(lambda: online.calls.count("Cust1") == 2)

    assert not any(rhythm.is_notified for rhythm in online.rhythms.values())


async def test_closing_stops_all_watchers() -> None:
    """Also those of tenants that nobody has asked for lately."""
    online = Online()
    async with open_for_business(online):
        await online.dispatch.aclose()
        await online.publish("Cust1")
        await asyncio.sleep(0.01)

    assert sorted(online.calls) == ["Cust1", "Cust2"]
