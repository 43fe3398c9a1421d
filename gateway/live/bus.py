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


Heard = Callable[[News | None], None]
"""Takes news, or None: some may have been lost."""


class Bus(Protocol):
    """Carries such news; it may lose some, as watchers look by themselves too."""

    is_whole: bool
    """Whether all that is published anywhere is heard here."""

    async def publish(self, news: News) -> None:
        """Tell every process, this one included."""

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with whatever is published, until cancelled."""

    async def aclose(self) -> None:
        """Close its connections, if it has any."""


class LocalBus:
    """Tells this process alone."""

    def __init__(self, *, is_alone: bool = True) -> None:
        self.is_whole = is_alone
        self.listeners: set[Heard] = set()

    async def publish(self, news: News) -> None:
        """Tell whoever listens."""
        for heard in list(self.listeners):
            heard(news)

    async def listen(self, heard: Heard) -> None:
        """Listen until cancelled."""
        self.listeners.add(heard)
        try:
            await asyncio.Event().wait()
        finally:
            self.listeners.discard(heard)

    async def aclose(self) -> None:
        """Do nothing."""
