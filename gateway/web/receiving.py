"""A limit on what has arrived in part: bodies of requests and messages, of all clients together."""

from dataclasses import dataclass
from typing import ClassVar

MOST_BYTES = 64 * 2**20
_SMALL_BYTES = 16 * 2**10
"""Less than this is always taken, so that others do not keep small requests out."""


@dataclass(slots=True)
class Share:
    """What one client has sent of something that is not complete."""

    held_bytes: ClassVar[int] = 0
    """What this process holds of all clients."""

    _bytes: int = 0

    def hold(self, size: int) -> bool:
        """Count so many bytes as held; return False where this process holds too many."""
        size = size if size > _SMALL_BYTES else 0
        Share.held_bytes += size - self._bytes
        self._bytes = size
        return not size or Share.held_bytes <= MOST_BYTES
