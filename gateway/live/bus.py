"""How the processes of a gateway tell each other that chats have changed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Bus", "Heard", "LocalBus", "News"]


@dataclass(frozen=True, slots=True)
class News:
    """Something has changed among a tenant's chats."""

    tenant: str
    """As SuperOffice calls it."""

    heard_ns: int
    """When that was heard of, in nanoseconds since 1970."""


Heard = Callable[[News], None]


class Bus(Protocol):
    """Carries such news; it may lose some, as watchers look by themselves too."""

    async def publish(self, news: News) -> None:
        """Tell every process, this one included."""

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with whatever is published, until cancelled."""


class LocalBus:
    """Tells this process alone."""

    def __init__(self) -> None:
        self._listeners: set[Heard] = set()

    async def publish(self, news: News) -> None:
        """Tell whoever listens."""
        for heard in list(self._listeners):
            heard(news)

    async def listen(self, heard: Heard) -> None:
        """Listen until cancelled."""
        self._listeners.add(heard)
        try:
            await asyncio.Event().wait()
        finally:
            self._listeners.discard(heard)
