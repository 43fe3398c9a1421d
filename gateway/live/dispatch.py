"""Where news of changes comes in, and goes on to the watchers whom it concerns."""

import asyncio
from collections.abc import Callable

from gateway.live.bus import Bus, News
from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.store.keyed_cache import KeyedCache

__all__ = ["Newsroom"]


class Newsroom:
    """Knows the watchers of each source, and the source of each tenant; close it with `aclose`."""

    def __init__(
        self,
        bus: Bus,
        source_of: Callable[[str], Source | None],
        watchers_of: KeyedCache[Source, Watchers],
    ) -> None:
        self._bus = bus
        self._source_of = source_of
        self._watchers_of = watchers_of

    async def keep_listening(self) -> None:
        """Pass on what is heard until cancelled."""
        await self._bus.listen(self._heard)

    async def aclose(self) -> None:
        """Stop all watchers, and close the bus."""
        await asyncio.gather(*(watchers.close() for watchers in self._watchers_of.all()))
        await self._bus.aclose()

    def _heard(self, news: News | None) -> None:
        if news is None:
            for watchers in self._watchers_of.all():
                watchers.look()
            return
        source = self._source_of(news.tenant)
        if source is not None:
            self._watchers_of(source).refresh(news.heard_ns, is_all=self._bus.is_whole)
