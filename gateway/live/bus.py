"""Publish and subscribe: the processes of a gateway notify each other of changed chats.

They do where they share a Redis or a Valkey.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.store.redis import Channel

logger = logging.getLogger(__name__)

_CLOCKS_APART_NS = 10**9


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


class RedisBus(Bus):
    """Passes news on in this process at once, and to the others through a channel.

    A message holds the tenant and the time. One that cannot be published is lost: `is_whole` says
    whether this process hears the others. Close it with `aclose`.
    """

    def __init__(self, channel: "Channel", *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(is_whole=False)
        self._name = secrets.token_hex(8)
        self._clock_ns = clock_ns
        self._channel = channel

    async def publish(self, news: News) -> None:
        """Pass news on to every process."""
        await super().publish(news)
        message = msgspec.json.encode(News(news.tenant, news.heard_ns, self._name))
        try:
            await self._channel.publish(message)
        except OSError as exc:
            logger.debug("A webhook could not be passed on: %s", exc)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with all news, and with None when some may have been lost."""
        self.heard = heard
        is_reported = False
        while True:
            try:
                async with aclosing(self._channel.messages()) as messages:
                    async for message in messages:
                        self._take(message)
                        is_reported = False
                        await asyncio.sleep(0)  # thousands may have arrived at once
            except OSError as exc:
                # A right that is missing from the start has been reported by its name.
                if self.is_whole or not (is_reported or isinstance(exc, PermissionError)):
                    logger.warning("Webhooks that reach other processes are not seen here: %s", exc)
                    is_reported = True
                if self.is_whole:
                    self.is_whole = False
                    heard(None)
            # Processes must not all reconnect in the same moment.
            await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311

    async def aclose(self) -> None:
        """Close the connections."""
        await self._channel.aclose()

    def _take(self, data: bytes | None) -> None:
        if data is None:
            self.is_whole = True
            self.heard(None)
            logger.info("Webhooks that reach other processes are seen here")
            return
        try:
            news = msgspec.json.decode(data, type=News)
        except ValueError:
            return  # not ours: others may publish on the channel
        if news.sender not in {"", self._name}:  # without a sender it is not ours either
            # The sender's clock may be wrong: a time in the future, or long ago, would do harm.
            now_ns = self._clock_ns()
            heard_ns = min(max(news.heard_ns, now_ns - _CLOCKS_APART_NS), now_ns)
            self.heard(News(news.tenant, heard_ns))
