"""The answers that have been made of one snapshot, as they went out."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Answers"]

A = TypeVar("A")
_MOST = 64


class Answers(Generic[A]):
    """Keeps the latest answers, up to `max_bytes`; they go when their snapshot goes.

    So none needs to be invalidated, and none can come to another caller than the snapshot's.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple[A, int]] = OrderedDict()

    def get(self, request: Hashable) -> A | None:
        """Return what was answered to the same request."""
        kept = self._kept.get(request)
        if kept is None:
            return None
        self._kept.move_to_end(request)
        return kept[0]

    def keep(self, request: Hashable, answer: A, size_bytes: int) -> None:
        """Keep an answer, unless it is larger than all of them may be."""
        if size_bytes > self._max_bytes or request in self._kept:
            return
        self._kept[request] = (answer, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._max_bytes or len(self._kept) > _MOST:
            _, (_, freed) = self._kept.popitem(last=False)
            self.size_bytes -= freed
