"""aiocache's Redis cache, for bytes, with a client that is told everything by a URL.

A command that is given up closes its connection, so no answer is left there for the next one.
"""

import math

import aiocache
from aiocache.serializers import NullSerializer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

__all__ = ["RedisCache"]

_NAMESPACE = "superoffice-chat-gateway"
_NO_END = -1


class RedisCache(aiocache.RedisCache):  # type: ignore[misc]  # aiocache ships no types
    """Keeps bytes in Redis or Valkey at `url`; close it with `close`.

    Waiting has no end here: whoever waits decides how long.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            serializer=NullSerializer(encoding=None), namespace=_NAMESPACE, timeout=None
        )
        self.client = Redis.from_url(
            url,
            # Once more, at once, for connections that a restart of Redis has broken.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        value = await super().get(key)
        if not isinstance(value, bytes | None):
            raise TypeError(f"{type(value).__name__} in the place of bytes")
        return value

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Keep the value for `ttl` seconds, unless there is one; tell whether it was kept."""
        # aiocache's own raises the ValueError that also stands for an answer that makes no sense.
        name = self.build_key(key)
        return bool(await self.client.set(name, value, nx=True, px=round(ttl * 1000)))

    async def left_s(self, key: str) -> float:
        """Return for how many seconds more there is a value: none, or no end of them, maybe."""
        left_ms: int = await self.client.pttl(self.build_key(key))
        return math.inf if left_ms == _NO_END else max(0.0, left_ms / 1000)

    async def release(self, key: str, value: bytes) -> None:
        """Forget the value, if it is this one."""
        # What aiocache's own lock calls; unlike the rest of it, it knows no namespace.
        await self._redlock_release(self.build_key(key), value)

    async def reconnect(self) -> None:
        """Use new connections from now on: after a failover the old ones lead to a replica."""
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def _close(self, *_: object, _conn: object = None) -> None:
        # aiocache's way is deprecated in redis-py.
        await self.client.aclose()
