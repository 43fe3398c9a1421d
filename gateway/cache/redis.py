"""aiocache's Redis cache, for bytes, with a client that is told everything by a URL.

A command that is given up closes its connection, so no answer is left there for the next one.
"""

import asyncio

import aiocache
from aiocache.serializers import NullSerializer
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

__all__ = ["RedisCache"]

_NAMESPACE = "superoffice-chat-gateway"
_CONNECTIONS = 32


class RedisCache(aiocache.RedisCache):  # type: ignore[misc]  # aiocache ships no types
    """Keeps bytes in Redis or Valkey at `url`; each command gets `timeout_s`.

    Close it with `close`.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        super().__init__(
            serializer=NullSerializer(encoding=None), namespace=_NAMESPACE, timeout=timeout_s
        )
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # Once more, at once, for connections that a restart of Redis has broken.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self.client = Redis.from_pool(pool)

    async def release(self, key: str, value: bytes) -> None:
        """Forget the value, if it is this one."""
        # What aiocache's own lock calls; unlike the rest of it, it knows no namespace and no end.
        async with asyncio.timeout(self.timeout):
            await self._redlock_release(self.build_key(key), value)

    async def _close(self, *_: object, _conn: object = None) -> None:
        # aiocache's way is deprecated in redis-py.
        await self.client.aclose()
