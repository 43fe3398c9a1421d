"""A bounded cache in memory, behind aiocache's interface.

aiocache's own memory cache keeps everything until its time is up. This one also counts bytes and
lets the least recently used entry go first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

__all__ = ["BoundedMemoryCache"]


@dataclass(slots=True)
class _Entry:
    value: Any
    expires_at: float
    size_bytes: int


class BoundedMemoryCache(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Holds objects, as they are, up to `max_bytes` by their own `size_bytes`.

    An object larger than the bound is not kept at all. One may grow while it is here: its size is
    taken again whenever it is looked up.
    """

    NAME = "memory"

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(serializer=NullSerializer(), timeout=None)
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str, default: Any = None, **_: Any) -> Any:
        """Look up, past the layers of aiocache's own `get`, which take longer than this does."""
        value = self.peek(key)
        return default if value is None else value

    def peek(self, key: str) -> Any:
        """Return the value, or None; it counts as a use."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.expires_at:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        size_bytes = entry.value.size_bytes
        if size_bytes != entry.size_bytes:
            self.size_bytes += size_bytes - entry.size_bytes
            entry.size_bytes = size_bytes
            self._make_room()
        return entry.value

    async def _set(
        self, key: str, value: Any, ttl: float | None, _cas_token: Any = None, _conn: Any = None
    ) -> bool:
        self._drop(key)
        size_bytes = value.size_bytes
        if size_bytes > self._max_bytes:
            return False
        expires_at = float("inf") if ttl is None else self._clock() + ttl
        self._entries[key] = _Entry(value, expires_at, size_bytes)
        self.size_bytes += size_bytes
        self._make_room()
        return True

    async def _delete(self, key: str, _conn: Any = None) -> int:
        return int(self._drop(key))

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        self._entries.clear()
        self.size_bytes = 0
        return True

    def _make_room(self) -> None:
        # From the least recently used end; what has expired there goes too, bound or no bound, so
        # that customers' data do not outlive their use.
        now = self._clock()
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if self.size_bytes <= self._max_bytes and now < entry.expires_at:
                return
            self._drop(key)

    def _drop(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.size_bytes -= entry.size_bytes
        return True
