"""News for all processes that share a Redis or a Valkey, over its publish and subscribe."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from gateway.live.bus import Heard, LocalBus, News
from gateway.store.loop_timeout import patience

__all__ = ["RedisBus"]

logger = logging.getLogger(__name__)

_CHANNEL = "superoffice-chat-gateway:changed"
_SILENCE_S = 2.0
_MOST_SILENCES = 2
_CLOCKS_APART_NS = 10**9


class _Message(msgspec.Struct):
    sender: str
    tenant: str
    heard_ns: int


class RedisBus:
    """Tells this process at once, and the others by way of Redis; without it, no others.

    What is told is which tenant it concerns, and when. What cannot be published is lost: whoever
    listens knows by `is_whole` that it cannot hear the others. Close it with `aclose`.
    """

    def __init__(
        self, url: str, *, timeout_s: float, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.is_whole = False
        self._here = LocalBus()
        self._name = secrets.token_hex(8)
        self._timeout_s = timeout_s
        self._clock_ns = clock_ns
        self._redis = Redis.from_url(url, socket_connect_timeout=timeout_s)

    async def publish(self, news: News) -> None:
        """Tell every process."""
        await self._here.publish(news)
        message = msgspec.json.encode(_Message(self._name, news.tenant, news.heard_ns))
        try:
            async with patience(self._timeout_s):
                await self._redis.publish(_CHANNEL, message)
        except (RedisError, OSError) as exc:
            logger.debug("News could not be passed on: %s", type(exc).__name__)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` with whatever is published, and with None when some may have been lost."""
        listening_here = asyncio.create_task(self._here.listen(heard))
        try:
            while True:
                try:
                    await self._follow(heard)
                except (RedisError, OSError) as exc:
                    if self.is_whole:
                        logger.warning(
                            "News from other processes cannot be heard: %s", type(exc).__name__
                        )
                        self.is_whole = False
                        heard(None)
                # Processes must not all come back in the same moment.
                await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311
        finally:
            listening_here.cancel()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _follow(self, heard: Heard) -> None:
        """Listen until Redis fails, or answers nothing at all."""
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(_CHANNEL)
            silences = 0
            while silences < _MOST_SILENCES:
                message = await pubsub.get_message(timeout=_SILENCE_S)
                silences = 0 if message else silences + 1
                await self._take(pubsub, message, heard)
            raise TimeoutError

    async def _take(self, pubsub: PubSub, message: Any, heard: Heard) -> None:
        match message:
            case None:
                await pubsub.ping()
            case {"type": "subscribe"}:
                self.is_whole = True
                heard(None)
                logger.info("News from other processes is heard")
            case {"type": "message", "data": data}:
                self._pass_on(data, heard)

    def _pass_on(self, data: Any, heard: Heard) -> None:
        try:
            message = msgspec.json.decode(data, type=_Message)
        except ValueError:
            return  # nothing of ours
        if message.sender != self._name:
            # By a clock that may go wrong: what is read here would not count, or count too long.
            now_ns = self._clock_ns()
            heard_ns = min(max(message.heard_ns, now_ns - _CLOCKS_APART_NS), now_ns)
            heard(News(message.tenant, heard_ns))
