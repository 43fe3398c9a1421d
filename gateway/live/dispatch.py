"""Dispatch news of changes from the bus to the watchers of the tenant concerned."""

import asyncio
from collections.abc import Callable

from gateway.live.bus import Bus, News
from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.store.keyed_cache import KeyedCache


class Dispatch:
    """Finds the watchers of the tenant that news is about; close it with `aclose`."""

    def __init__(
        self,
        bus: Bus,
        source_of: Callable[[str], Source | None],
        watchers_of: KeyedCache[Source, Watchers],
    ) -> None:
        self._bus = bus
        self._source_of = source_of
        self._watchers_of = watchers_of

    async def run(self) -> None:
        """Dispatch news until cancelled."""
        await self._bus.listen(self._dispatch)

    async def aclose(self) -> None:
        """Stop all watchers, and close the bus."""
        await asyncio.gather(*(watchers.close() for watchers in self._watchers_of.all()))
        await self._bus.aclose()

    def _dispatch(self, news: News | None) -> None:
        if news is None:
            for watchers in self._watchers_of.all():
                watchers.poll()
            return
        source = self._source_of(news.tenant)
        if source is not None:
            self._watchers_of(source).refresh(news.heard_ns, is_all=self._bus.is_whole)
