"""The times at which SuperOffice rejected credentials: older snapshots are not served after that.

Languages and time zones do not count: a user is locked out in all of them.
"""

from cachetools import LRUCache

from gateway.store.shared import SharedCache, SharedKey

_MOST = 10_000
_REVOKED = b"revoked"


class Revocations:
    """Stores `_MOST` rejections in this process, and all in the cache that processes share.

    A key's name is a digest of the credentials; times are in nanoseconds since 1970.
    """

    def __init__(self, shared: SharedCache | None = None) -> None:
        self._shared = shared
        self._times_ns: LRUCache[str, int] = LRUCache(_MOST)

    async def add(self, key: SharedKey, now_ns: int, *, shared_s: float) -> None:
        """Record a rejection; for other processes, for as long as older snapshots may be cached."""
        self._times_ns[key.name] = now_ns
        if self._shared is not None and shared_s:
            await self._shared.put(key, _REVOKED, ttl_s=shared_s, is_owed=True)

    def known_ns(self, key: SharedKey) -> int:
        """Return when this process last saw the credentials rejected; 0 for never."""
        return self._times_ns.get(key.name, 0)

    async def is_revoked(self, key: SharedKey, requested_ns: int, now_ns: int) -> bool:
        """Return whether a process saw the credentials rejected after `requested_ns`."""
        if requested_ns <= self._times_ns.get(key.name, 0):
            return True
        rejection = await self._shared.get(key) if self._shared is not None else None
        return rejection is not None and requested_ns <= now_ns - rejection.age_s * 1e9
