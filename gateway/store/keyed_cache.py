"""Objects that are made when they are first asked for, and kept while they are of use."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

__all__ = ["Lately"]

K = TypeVar("K")
V = TypeVar("V")


class Lately(Generic[K, V]):
    """Makes one object for each key, and keeps the `most` that were asked for last.

    One that somebody else still holds is not made a second time, however many came after it.
    """

    def __init__(self, make: Callable[[K], V], *, most: int) -> None:
        self._make = make
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._alive: WeakValueDictionary[K, V] = WeakValueDictionary()

    def __call__(self, key: K) -> V:
        """Return the key's object."""
        made = self._alive.get(key)
        if made is None:
            made = self._alive[key] = self._make(key)
        self._kept[key] = made
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made

    def all(self) -> Collection[V]:
        """Return all that there are."""
        return list(self._alive.values())
