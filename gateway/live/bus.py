"""Brings the news of a webhook to the watchers of its tenant, in all processes."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from contextvars import Context
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.store.keyed_cache import KeyedCache
from gateway.store.single_flight import cancel_all

if TYPE_CHECKING:
    from gateway.store.redis import Channel

logger = logging.getLogger(__name__)

_LONGEST_WAY_NS = 20 * 10**6
_BRIEF_NS = 10 * 10**9
_SHORTEST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_PUBLISHED_AGAIN_S = 0.5
_POLLED_ANYWAY_NS = 66 * 10**9  # the longest interval of `Rhythm`, with jitter


class News(msgspec.Struct, frozen=True):
    """A notification that a tenant's chats have changed."""

    tenant: str
    """Its name in SuperOffice."""

    received_ns: int
    """When the gateway received the notification, in nanoseconds since 1970."""

    sender: str = ""
    """The process that publishes it to the others."""


@dataclass(slots=True, eq=False)
class Bus:
    """Delivers news at once in this process, and to the others through a channel, if there is one.

    News that cannot be published, the latest of each tenant, is published again until all watchers
    have polled anyway. Close the bus with `aclose`.
    """

    source_of: Callable[[str], Source | None]
    watchers_of: KeyedCache[Source, Watchers]
    _: KW_ONLY
    receives_all: bool
    """Whether this process receives all news, also those of other processes."""

    channel: "Channel | None" = None
    clock_ns: Callable[[], int] = time.time_ns
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _unpublished: dict[str, News] = field(default_factory=dict)
    _publishing: asyncio.Task[None] | None = None

    async def publish(self, news: News) -> None:
        """Deliver news to this process at once, and to the others soon."""
        self.deliver(news)
        if self.channel is None:
            return
        self._unpublished[news.tenant] = News(news.tenant, news.received_ns, self._name)
        if self._publishing is None or self._publishing.done():
            # A context of its own: it also publishes the news of other webhooks.
            publishing = self._publish_all(self.channel)
            self._publishing = asyncio.create_task(publishing, context=Context())

    async def listen(self) -> None:
        """Deliver the news of other processes until cancelled."""
        if self.channel is None:
            return
        is_reported, wait_s = False, _SHORTEST_WAIT_S
        while True:
            began_ns = self.clock_ns()
            try:
                async with aclosing(self.channel.messages()) as messages:
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
                    self.deliver(None)
                    # Every subscription costs polls and log lines.
                    is_brief = self.clock_ns() - began_ns < _BRIEF_NS
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S) if is_brief else _SHORTEST_WAIT_S
            # The processes must not all reconnect at the same time.
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311

    def deliver(self, news: News | None) -> None:
        """Have the tenant's watchers poll; None: some news may have been lost, so all of them."""
        if news is None:
            for watchers in self.watchers_of.all():
                watchers.poll()
        elif (source := self.source_of(news.tenant)) is not None:
            self.watchers_of(source).refresh(news.received_ns, is_all=self.receives_all)

    async def aclose(self) -> None:
        """Stop all watchers, and close the connections."""
        await asyncio.gather(*(watchers.close() for watchers in self.watchers_of.all()))
        if self._publishing is not None:
            await asyncio.wait((self._publishing,), timeout=_PUBLISHED_AGAIN_S)
            await cancel_all((self._publishing,))
        if self.channel is not None:
            await self.channel.aclose()

    async def _publish_all(self, channel: "Channel") -> None:
        while self._unpublished:
            tenant, news = next(iter(self._unpublished.items()))
            del self._unpublished[tenant]
            try:
                await channel.publish(msgspec.json.encode(news))
            except OSError as exc:
                logger.debug("A webhook could not be passed on: %s", exc)
                if self.clock_ns() - news.received_ns < _POLLED_ANYWAY_NS:
                    self._unpublished.setdefault(tenant, news)
                await asyncio.sleep(_PUBLISHED_AGAIN_S)

    def _take(self, data: bytes | None) -> None:
        """Deliver a message; None: the subscription has begun, and news may have been lost."""
        if data is None:
            self.receives_all = True
            self.deliver(None)
            logger.info("Webhooks from other processes arrive here")
            return
        try:
            news = msgspec.json.decode(data, type=News)
        except ValueError:
            return  # no message of a gateway: other programs can publish on the channel
        if news.sender not in {"", self._name}:  # a gateway always names the sender
            # The sender's clock may be slow: a time too early would miss changes, one too late can
            # cost a call.
            now_ns = self.clock_ns()
            received_ns = min(max(news.received_ns, now_ns - _LONGEST_WAY_NS), now_ns)
            self.deliver(News(news.tenant, received_ns))
