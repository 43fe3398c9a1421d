"""aiocache's Redis cache, for bytes, with a client that is told everything by a URL.

A command that is given up closes its connection, so no answer is left there for the next one.
"""

import aiocache
from aiocache.serializers import NullSerializer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

__all__ = ["RedisCache"]

_NAMESPACE = "superoffice-chat-gateway"


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

    async def release(self, key: str, value: bytes) -> None:
        """Forget the value, if it is this one."""
        # What aiocache's own lock calls; unlike the rest of it, it knows no namespace.
        await self._redlock_release(self.build_key(key), value)

    async def _close(self, *_: object, _conn: object = None) -> None:
        # aiocache's way is deprecated in redis-py.
        await self.client.aclose()
