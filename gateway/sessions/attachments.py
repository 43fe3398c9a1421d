"""Objects derived from a snapshot, such as answers to requests, stored on it."""

from collections.abc import Hashable
from contextlib import suppress
from typing import Generic, TypeVar

from cachetools import LRUCache

A = TypeVar("A")


class Attachments(Generic[A]):
    """Keeps the most recently used objects, up to `max_bytes`; they go when their snapshot goes.

    So none needs to be invalidated, and none can reach another caller than the snapshot's.
    """

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[Hashable, tuple[A, int]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry[1]
        )

    @property
    def size_bytes(self) -> int:
        """The size of all objects, as it was given."""
        return int(self._entries.currsize)

    def get(self, key: Hashable) -> A | None:
        """Return the object stored under `key`."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def add(self, key: Hashable, value: A, size_bytes: int) -> None:
        """Store an object, unless there is one or it is larger than the bound."""
        if key not in self._entries:
            with suppress(ValueError):
                self._entries[key] = (value, size_bytes)
