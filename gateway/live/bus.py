"""Publish and subscribe: the processes of a gateway notify each other of changed chats."""

from collections.abc import Callable

import msgspec


class News(msgspec.Struct, frozen=True):
    """Something has changed among a tenant's chats."""

    tenant: str
    """SuperOffice's name of it."""

    heard_ns: int
    """When the notification came, in nanoseconds since 1970."""

    sender: str = ""
    """The process that passes it on to others."""


Heard = Callable[[News | None], None]
"""A listener: called with news, or with None when some may have been lost."""


class Bus:
    """Carries news inside this process; it may lose some, since watchers also poll.

    `is_whole` says whether this process receives all news, also those of other processes.
    """

    def __init__(self, *, is_whole: bool = True) -> None:
        self.is_whole = is_whole
        self.heard: Heard = lambda news: None

    async def publish(self, news: News) -> None:
        """Notify every process, this one included."""
        self.heard(news)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with everything published from now on; receive news until cancelled."""
        self.heard = heard

    async def aclose(self) -> None:
        """Close its connections, if it has any."""
