"""A bounded cache in memory, behind aiocache's interface.

aiocache's own memory cache has no bound. This one counts bytes, and shares them out between the
owners of entries; storing an entry removes expired ones, so that customers' data do not outlive
their use.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from gateway.store.fair_lru import Entry, FairLRU, Sized


class BoundedMemoryCache(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Stores objects, not serialized, up to `max_bytes` by their own `size_bytes`.

    An object larger than the bound is not stored. Objects may grow: each is measured again when it
    is looked up.
    """

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(serializer=NullSerializer(), timeout=None)
        # Copies for the metrics, which are read on another thread: the cache's own size and length
        # drop expired entries first.
        self.size_bytes = self.count = 0
        self._clock = clock
        self._entries = FairLRU(max_bytes, clock)

    async def get(self, key: str) -> Any:  # of the type that was set
        """Return the value, or None, without the layers of aiocache's own `get`: they are slow."""
        return self.peek(key)

    def peek(self, key: str) -> Any:  # of the type that was set
        """Return the value, or None; it counts as a use."""
        try:
            entry = self._entries[key]
        except KeyError:
            self._measure()
            return None
        if entry.owner in self._entries.with_several:
            self._entries.note_use(key, entry.owner)
        if entry.value.size_bytes != entry.size_bytes:
            self._put(key, entry.value, entry.expires_at, entry.owner)
        return entry.value

    async def set(self, key: str, value: Sized, ttl: float, *, owner: str = "") -> None:
        """Store a value for `ttl` seconds; it counts against the share of its owner."""
        self._put(key, value, self._clock() + ttl, owner)

    async def _delete(self, key: str, **_: object) -> int:
        is_found = self._entries.pop(key, None) is not None
        self._measure()
        return int(is_found)

    def _put(self, key: str, value: Sized, expires_at: float, owner: str) -> None:
        with suppress(ValueError):  # larger than the bound; an older value is removed
            self._entries[key] = Entry(value, expires_at, value.size_bytes, owner)
        self._measure()

    def _measure(self) -> None:
        self.size_bytes, self.count = int(self._entries.currsize), len(self._entries)
