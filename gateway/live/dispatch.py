"""Dispatch news of changes from the bus to the watchers of the tenant."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.live.bus import Bus, News
from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.store.keyed_cache import KeyedCache


@dataclass(slots=True)
class Dispatch:
    """Finds the watchers of the tenant that news is about; close it with `aclose`."""

    bus: Bus
    source_of: Callable[[str], Source | None]
    watchers_of: KeyedCache[Source, Watchers]

    async def run(self) -> None:
        """Dispatch all news from now on; of other processes, until cancelled."""
        await self.bus.listen(self._dispatch)

    async def aclose(self) -> None:
        """Stop all watchers, and close the bus."""
        await asyncio.gather(*(watchers.close() for watchers in self.watchers_of.all()))
        await self.bus.aclose()

    def _dispatch(self, news: News | None) -> None:
        if news is None:
            for watchers in self.watchers_of.all():
                watchers.poll()
            return
        source = self.source_of(news.tenant)
        if source is not None:
            self.watchers_of(source).refresh(news.received_ns, is_all=self.bus.receives_all)
