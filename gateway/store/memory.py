"""A bounded cache in memory, behind aiocache's interface.

aiocache's own memory cache has no bound. This one counts bytes, and shares them out between the
owners of entries. Expired entries are removed within a second or so, also when nobody asks any
more: customers' data must not outlive their use.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

_LEAST_APART_S = 1.0
"""Between two removals of expired entries by the timer."""


class Sized(Protocol):
    """An object that knows its memory."""

    @property
    def size_bytes(self) -> int:
        """The approximate memory."""


@dataclass(slots=True, eq=False)
class _Entry:
    value: Sized
    owner: str
    expires_at: float
    size_bytes: int = 0
    """Its size when it was measured last."""


class BoundedMemoryCache(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Stores objects, not serialized, up to `max_bytes` by their own `size_bytes`.

    An object larger than the bound is not stored. Objects may grow: each is measured again when it
    is looked up.

    If it is full, the owner with the most bytes loses its least recently used entry, if it has more
    than an equal share, and never its last one for this reason. Otherwise the least recently used
    entry of all is evicted.
    """

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(serializer=NullSerializer(), timeout=None)
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._clock = clock
        # In the order in which they were stored and so expire: a gateway has one TTL.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        # Least recently used first: the keys of all owners, and of each one.
        self._used: OrderedDict[str, None] = OrderedDict()
        self._keys: dict[str, OrderedDict[str, None]] = {}
        self._bytes: Counter[str] = Counter()
        self._with_several: set[str] = set()
        self._has_timer = False

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self._entries)

    async def get(self, key: str) -> Any:  # of the type that was set
        """Return the value, or None, without the layers of aiocache's own `get`: they are slow."""
        return self.peek(key)

    def peek(self, key: str) -> Any:  # of the type that was set
        """Return the value, or None; it counts as a use."""
        entry = self._entries.get(key)
        if entry is None or entry.expires_at <= self._clock():
            self._expire()
            return None
        self._used.move_to_end(key)
        self._keys[entry.owner].move_to_end(key)
        if entry.value.size_bytes != entry.size_bytes:
            self._measure(key, entry)
        return entry.value

    async def set(self, key: str, value: Sized, ttl: float, *, owner: str = "") -> None:
        """Store a value for `ttl` seconds; it counts against the share of its owner."""
        self._remove(key)
        if ttl > 0:
            entry = self._entries[key] = _Entry(value, owner, self._clock() + ttl)
            keys = self._keys.setdefault(owner, OrderedDict())
            self._used[key] = keys[key] = None
            if len(keys) > 1:
                self._with_several.add(owner)
            self._measure(key, entry)
            if not self._has_timer:
                self._expire_later()

    async def _delete(self, key: str, **_: object) -> int:
        return int(self._remove(key))

    def _measure(self, key: str, entry: _Entry) -> None:
        """Count the size of the entry that was used last, and remove others for it."""
        grown_bytes = entry.value.size_bytes - entry.size_bytes
        entry.size_bytes += grown_bytes
        self.size_bytes += grown_bytes
        self._bytes[entry.owner] += grown_bytes
        self._expire()
        if entry.size_bytes > self._max_bytes:
            self._remove(key)
        while self.size_bytes > self._max_bytes:
            self._remove(self._next_evicted())

    def _next_evicted(self) -> str:
        largest = max(self._with_several, key=self._bytes.__getitem__, default=None)
        if largest is None or self._bytes[largest] * len(self._keys) <= self._max_bytes:
            return next(iter(self._used))
        return next(iter(self._keys[largest]))

    def _expire(self) -> None:
        now = self._clock()
        while self._entries and self._entries[key := next(iter(self._entries))].expires_at <= now:
            self._remove(key)

    def _expire_later(self) -> None:
        """Remove expired entries now, and the others once they have expired."""
        self._expire()
        if has_entries := bool(self._entries):
            left_s = next(iter(self._entries.values())).expires_at - self._clock()
            delay_s = max(left_s, _LEAST_APART_S)
            asyncio.get_running_loop().call_later(delay_s, self._expire_later)
        self._has_timer = has_entries

    def _remove(self, key: str) -> bool:
        """Remove an entry; return whether there was one."""
        if (entry := self._entries.pop(key, None)) is None:
            return False
        keys = self._keys[entry.owner]
        del self._used[key], keys[key]
        self.size_bytes -= entry.size_bytes
        self._bytes[entry.owner] -= entry.size_bytes
        if len(keys) < 2:
            self._with_several.discard(entry.owner)
        if not keys:
            del self._keys[entry.owner], self._bytes[entry.owner]
        return True
