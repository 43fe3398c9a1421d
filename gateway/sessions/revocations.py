"""Credentials that SuperOffice has rejected, and when: no older snapshot is served after that.

They are known by the credentials alone: a user who is locked out is so in every language.
"""

from cachetools import LRUCache

from gateway.store.shared import Place, SharedCache

_MOST = 10_000
_REVOKED = b"revoked"


class Revocations:
    """Stores them, `_MOST` in this process, and in the cache that processes share.

    A place is named by a digest of the credentials; times are in nanoseconds since 1970.
    """

    def __init__(self, shared: SharedCache | None = None) -> None:
        self._shared = shared
        self._times_ns: LRUCache[str, int] = LRUCache(_MOST)

    async def add(self, place: Place, now_ns: int, *, kept_s: float) -> None:
        """Record a rejection, for as long as older snapshots may be cached."""
        self._times_ns[place.name] = now_ns
        if self._shared is not None:
            await self._shared.put(place, _REVOKED, ttl_s=kept_s, is_owed=True)

    async def cover(self, place: Place, asked_ns: int, now_ns: int) -> bool:
        """Return whether they were rejected after `asked_ns`, in this process or another."""
        if asked_ns <= self._times_ns.get(place.name, 0):
            return True
        found = await self._shared.get(place) if self._shared is not None else None
        return found is not None and asked_ns <= now_ns - found.age_s * 1e9
