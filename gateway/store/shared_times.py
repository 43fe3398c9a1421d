"""The times of events that processes share: rejected credentials, and received webhooks."""

from cachetools import LRUCache

from gateway.store.shared import SharedCache, SharedKey

_MOST = 10_000
_CONTENT = b"happened"


class SharedTimes:
    """Stores the last time of each event: of `_MOST` in this process, of all in the shared cache.

    Times are in nanoseconds since 1970, by the clock of the process that reads them.
    """

    def __init__(self, shared: SharedCache | None = None) -> None:
        self._shared = shared
        self._own_ns: LRUCache[str, int] = LRUCache(_MOST)

    async def note(
        self, key: SharedKey, now_ns: int, *, shared_s: float, is_owed: bool = False
    ) -> None:
        """Record that an event happens now; in the shared cache for `shared_s` seconds, if not 0.

        `is_owed`: see `SharedCache.put`.
        """
        self._own_ns[key.name] = now_ns
        if self._shared is not None and shared_s:
            await self._shared.put(key, _CONTENT, ttl_s=shared_s, is_owed=is_owed)

    def own_ns(self, key: SharedKey) -> int:
        """Return when an event happened last in this process; 0 for never."""
        return self._own_ns.get(key.name, 0)

    async def is_noted(self, key: SharedKey, now_ns: int, *, since_ns: int = 1) -> bool:
        """Return whether an event happened in any process, at `since_ns` or later."""
        if self.own_ns(key) >= since_ns:
            return True
        found = await self._shared.get(key) if self._shared is not None else None
        return found is not None and now_ns - found.age_s * 1e9 >= since_ns
