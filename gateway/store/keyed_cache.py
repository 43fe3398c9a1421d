"""Objects that are made on first use, and cached by a key."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache

K = TypeVar("K")
V = TypeVar("V")


class KeyedCache(Generic[K, V]):
    """Makes one object for each key, and caches the `most` that were used last.

    An object that is still referenced elsewhere is found even if it was evicted: there are never
    two for one key.
    """

    def __init__(self, make: Callable[[K], V], *, most: int) -> None:
        self._make = make
        self._recent: LRUCache[K, V] = LRUCache(most)
        self._alive: WeakValueDictionary[K, V] = WeakValueDictionary()

    def __call__(self, key: K) -> V:
        """Return the key's object."""
        made = self._alive.get(key)
        if made is None:
            made = self._alive[key] = self._make(key)
        self._recent[key] = made
        return made

    def all(self) -> Collection[V]:
        """Return all objects that exist."""
        # A copy made at once: metrics are read on another thread.
        return [made for one in self._alive.valuerefs() if (made := one()) is not None]
