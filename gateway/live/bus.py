"""Publish and subscribe: processes that share a Redis or Valkey notify each other of changes."""

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
    """A notification that a tenant's chats have changed."""

    tenant: str
    """Its name in SuperOffice."""

    received_ns: int
    """When the gateway received the notification, in nanoseconds since 1970."""

    sender: str = ""
    """The process that publishes it to the others."""


Listener = Callable[[News | None], None]
"""Called with news, or with None when some may have been lost."""


class Bus:
    """Carries news inside this process; losses do little harm, since watchers also poll.

    `receives_all` says whether this process receives all news, also those of other processes.
    """

    def __init__(self, *, receives_all: bool = True) -> None:
        self.receives_all = receives_all
        self.listener: Listener = lambda news: None

    async def publish(self, news: News) -> None:
        """Notify every process, this one included."""
        self.listener(news)

    async def listen(self, listener: Listener) -> None:
        """Call `listener` with all news from now on."""
        self.listener = listener

    async def aclose(self) -> None:
        """Close its connections, if it has any."""


class RedisBus(Bus):
    """Delivers news in this process at once, and to the other processes through a channel.

    A message holds the tenant and the time; one that cannot be published is lost. Close the bus
    with `aclose`.
    """

    def __init__(self, channel: "Channel", *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(receives_all=False)
        self._name = secrets.token_hex(8)
        self._clock_ns = clock_ns
        self._channel = channel

    async def publish(self, news: News) -> None:
        """Deliver news to every process."""
        await super().publish(news)
        message = msgspec.json.encode(News(news.tenant, news.received_ns, self._name))
        try:
            await self._channel.publish(message)
        except OSError as exc:
            logger.debug("A webhook could not be passed on: %s", exc)

    async def listen(self, listener: Listener) -> None:
        """Call `listener` with all news until cancelled; with None when some may have been lost."""
        self.listener = listener
        is_reported = False
        while True:
            try:
                async with aclosing(self._channel.messages()) as messages:
                    async for message in messages:
                        self._take(message)
                        is_reported = False
                        await asyncio.sleep(0)  # yield: thousands may have arrived at once
            except OSError as exc:
                # A right that is missing at the start has been reported by name.
                if self.receives_all or not (is_reported or isinstance(exc, PermissionError)):
                    logger.warning("Webhooks from other processes do not arrive here: %s", exc)
                    is_reported = True
                if self.receives_all:
                    self.receives_all = False
                    listener(None)
            # The processes must not all reconnect at the same time.
            await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311

    async def aclose(self) -> None:
        """Close the connections."""
        await self._channel.aclose()

    def _take(self, data: bytes | None) -> None:
        if data is None:
            self.receives_all = True
            self.listener(None)
            logger.info("Webhooks from other processes arrive here")
            return
        try:
            news = msgspec.json.decode(data, type=News)
        except ValueError:
            return  # no message of a gateway: other programs can publish on the channel
        if news.sender not in {"", self._name}:  # a gateway always names the sender
            # The sender's clock may be wrong: its time is limited to the last second.
            now_ns = self._clock_ns()
            received_ns = min(max(news.received_ns, now_ns - _CLOCKS_APART_NS), now_ns)
            self.listener(News(news.tenant, received_ns))
