"""News for all processes that share a Redis or a Valkey."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from gateway.live.bus import Bus, Heard, News
from gateway.store.redis import Channel

logger = logging.getLogger(__name__)

_CLOCKS_APART_NS = 10**9


class _Message(msgspec.Struct):
    sender: str
    tenant: str
    heard_ns: int


class RedisBus(Bus):
    """Passes news on in this process at once, and to the others through a channel.

    A message holds the tenant and the time. One that cannot be published is lost: `is_whole` says
    whether this process hears the others. Close it with `aclose`.
    """

    def __init__(self, channel: Channel, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(is_whole=False)
        self._name = secrets.token_hex(8)
        self._clock_ns = clock_ns
        self._channel = channel

    async def publish(self, news: News) -> None:
        """Pass news on to every process."""
        await super().publish(news)
        message = msgspec.json.encode(_Message(self._name, news.tenant, news.heard_ns))
        try:
            await self._channel.publish(message)
        except OSError as exc:
            logger.debug("A webhook could not be passed on: %s", exc)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with all news, and with None when some may have been lost."""
        listening_here = asyncio.create_task(super().listen(heard))
        is_reported = False
        try:
            while True:
                try:
                    async with aclosing(self._channel.messages()) as messages:
                        async for message in messages:
                            self._take(message, heard)
                            is_reported = False
                except OSError as exc:
                    # A right that is missing from the start has been reported by its name.
                    if self.is_whole or not (is_reported or isinstance(exc, PermissionError)):
                        logger.warning(
                            "Webhooks that reach other processes are not seen here: %s", exc
                        )
                        is_reported = True
                    if self.is_whole:
                        self.is_whole = False
                        heard(None)
                # Processes must not all reconnect in the same moment.
                await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311
        finally:
            listening_here.cancel()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._channel.aclose()

    def _take(self, data: bytes | None, heard: Heard) -> None:
        if data is None:
            self.is_whole = True
            heard(None)
            logger.info("Webhooks that reach other processes are seen here")
            return
        try:
            message = msgspec.json.decode(data, type=_Message)
        except ValueError:
            return  # not ours: others may publish on the channel
        if message.sender != self._name:
            # The sender's clock may be wrong: a time in the future, or long ago, would do harm.
            now_ns = self._clock_ns()
            heard_ns = min(max(message.heard_ns, now_ns - _CLOCKS_APART_NS), now_ns)
            heard(News(message.tenant, heard_ns))
