"""A cache of entries that expire; their owners share its bytes fairly."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cachetools import TLRUCache


class Sized(Protocol):
    """An object that knows its memory."""

    @property
    def size_bytes(self) -> int:
        """The approximate memory."""


class Entry(NamedTuple):
    """A value with its owner, its size when it was stored, and the time when it expires."""

    value: Sized
    expires_at: float
    size_bytes: int
    owner: str


class FairLRU(TLRUCache[str, Entry]):
    """Evicts from the owner with the most bytes, if these are more than an equal share.

    That owner loses its least recently used entry, and never its last one for this reason.
    Otherwise the least recently used entry of all is evicted.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        super().__init__(
            max_bytes,
            ttu=lambda _, entry, __: entry.expires_at,
            timer=clock,
            getsizeof=lambda entry: entry.size_bytes,
        )
        self._keys: dict[str, OrderedDict[str, None]] = {}
        self._bytes: Counter[str] = Counter()
        self.with_several: set[str] = set()
        """The owners of several entries."""

    def note_use(self, key: str, owner: str) -> None:
        """Make an entry the most recently used one of its owner."""
        self._keys[owner].move_to_end(key)

    def __setitem__(self, key: str, entry: Entry) -> None:
        with self.timer as time:  # stopped, so that nothing expires half-way
            self.expire(time)
            self.pop(key, None)
            # Counted first: the room that it needs is part of its owner's share.
            keys = self._keys.setdefault(entry.owner, OrderedDict())
            keys[key] = None
            self._bytes[entry.owner] += entry.size_bytes
            if len(keys) > 1:
                self.with_several.add(entry.owner)
            try:
                super().__setitem__(key, entry)
            finally:
                if key not in self:
                    self._discount(key, entry)

    def __delitem__(self, key: str) -> None:
        entry = self[key]
        super().__delitem__(key)
        self._discount(key, entry)

    def expire(self, time: float | None = None) -> list[tuple[str, Entry]]:
        """Remove the expired entries."""
        expired = list(super().expire(time))
        for key, entry in expired:
            self._discount(key, entry)
        return expired

    def popitem(self) -> tuple[str, Entry]:
        """Remove the entry that is evicted next."""
        largest = max(self.with_several, key=self._bytes.__getitem__, default=None)
        if largest is None or self._bytes[largest] * len(self._keys) <= self.maxsize:
            return super().popitem()
        key = next(iter(self._keys[largest]))
        return key, self.pop(key)

    def _discount(self, key: str, entry: Entry) -> None:
        keys = self._keys[entry.owner]
        del keys[key]
        self._bytes[entry.owner] -= entry.size_bytes
        if len(keys) < 2:
            self.with_several.discard(entry.owner)
        if not keys:
            del self._keys[entry.owner], self._bytes[entry.owner]
