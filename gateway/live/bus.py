"""How the processes of a gateway tell each other that chats have changed."""

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Bus", "LocalBus"]

Heard = Callable[[str], None]
"""Takes the context in which something has changed: the address of a SuperOffice installation."""


class Bus(Protocol):
    """Carries such news; it may lose some, as watchers look by themselves too."""

    async def publish(self, context: str) -> None:
        """Tell every process, this one included."""

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with whatever is published, until cancelled."""


class LocalBus:
    """Tells this process alone."""

    def __init__(self) -> None:
        self._listeners: set[Heard] = set()

    async def publish(self, context: str) -> None:
        """Tell whoever listens."""
        for heard in list(self._listeners):
            heard(context)

    async def listen(self, heard: Heard) -> None:
        """Listen until cancelled."""
        self._listeners.add(heard)
        try:
            await asyncio.Event().wait()
        finally:
            self._listeners.discard(heard)
