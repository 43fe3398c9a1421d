"""Whom REST has turned away, and since when: from then on, nothing older stands in for an answer.

Callers are known by their credentials alone: whom REST shuts out, it shuts out in every language.
"""

from collections import OrderedDict

from gateway.store.shared import Place, SharedCache

__all__ = ["Revocations"]

_MOST = 10_000
_REVOKED = b"revoked"


class Revocations:
    """Keeps them, `_MOST` in this process, and tells the processes that share a cache.

    A place is named by a digest of the credentials; times are in nanoseconds since 1970.
    """

    def __init__(self, shared: SharedCache | None = None) -> None:
        self._shared = shared
        self._times_ns: OrderedDict[str, int] = OrderedDict()

    async def add(self, place: Place, now_ns: int, *, kept_s: float) -> None:
        """Note that REST turns them away, for as long as something older may be kept."""
        self._times_ns[place.name] = now_ns
        self._times_ns.move_to_end(place.name)
        if len(self._times_ns) > _MOST:
            self._times_ns.popitem(last=False)
        if self._shared is not None:
            await self._shared.put(place, _REVOKED, ttl_s=kept_s, is_owed=True)

    async def cover(self, place: Place, asked_ns: int, now_ns: int) -> bool:
        """Tell whether they were turned away after REST was asked for something, here or there."""
        if asked_ns <= self._times_ns.get(place.name, 0):
            return True
        kept = await self._shared.get(place) if self._shared is not None else None
        return kept is not None and asked_ns <= now_ns - kept.age_s * 1e9
