"""Redis or Valkey: its clients, aiocache's cache over one, and messages between processes."""

import math
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiocache
from aiocache.serializers import NullSerializer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.errors import SettingsError
from gateway.store.loop_timeout import loop_timeout

NAMESPACE = "superoffice-chat-gateway"
_NO_END = -1

_DELETE_IF_EQUAL = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1])"
_EXTEND_IF_EQUAL = (
    "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2])"
)


def client_for(url: str, *, connect_timeout_s: float | None = None) -> Redis:
    """Return a client; no connection is opened yet.

    Raises:
        SettingsError: the URL has an option that is unknown, or would turn bytes into text.
    """
    try:
        client = Redis.from_url(
            url,
            socket_connect_timeout=connect_timeout_s,
            # Once more, at once, for connections that a restart of Redis has broken.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        pool: Any = client.connection_pool  # redis-py leaves it untyped
        encoder = pool.make_connection().encoder
        encoder.encode("")
        is_usable = not encoder.decode_responses
    except Exception:  # noqa: BLE001  whatever the parts of redis-py raise; it may hold a password
        is_usable = False
    if not is_usable:
        raise SettingsError("GATEWAY_CACHE_URL: it has an option behind the ? that cannot be used")
    return client


async def ping_s(url: str, *, timeout_s: float) -> float:
    """Return how long a ping takes on an open connection, in seconds.

    Raises:
        PermissionError: Redis does not accept the user or the password.
        OSError: there is no Redis, or it fails; the message is the kind of error.
    """
    client = client_for(url, connect_timeout_s=timeout_s)
    try:
        await client.ping()
        started = time.perf_counter()
        await client.ping()
        return time.perf_counter() - started
    except AuthenticationError as exc:
        raise PermissionError from exc
    except (RedisError, OSError, ValueError) as exc:  # the latter from a peer that is not Redis
        raise ConnectionError(type(exc).__name__) from exc
    finally:
        await client.aclose()


class RedisCache(aiocache.RedisCache):  # type: ignore[misc]  # aiocache ships no types
    """Stores bytes in Redis or Valkey at `url`; close it with `aclose`.

    Nothing here has a timeout: callers bring their own. A cancelled command closes its connection,
    so its response is not left there for the next command.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            serializer=NullSerializer(encoding=None), namespace=NAMESPACE, timeout=None
        )
        self.client = client_for(url)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        value = await super().get(key)
        if not isinstance(value, bytes | None):
            raise TypeError(f"{type(value).__name__} in the place of bytes")
        return value

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Store the value for `ttl` seconds, unless there is one; tell whether it was stored."""
        # aiocache's own raises a ValueError, as invalid responses do.
        name = self.build_key(key)
        return bool(await self.client.set(name, value, nx=True, px=_milliseconds(ttl)))

    async def extend(self, key: str, value: bytes, ttl: float) -> None:
        """Have the value expire in `ttl` seconds, if it is still this one."""
        name = self.build_key(key)
        await self.client.eval(_EXTEND_IF_EQUAL, 1, name, value, _milliseconds(ttl))

    async def left_s(self, key: str) -> float:
        """Return in how many seconds the value expires: 0 without one, inf if it never does."""
        left_ms: int = await self.client.pttl(self.build_key(key))
        return math.inf if left_ms == _NO_END else max(0.0, left_ms / 1000)

    async def release(self, key: str, value: bytes) -> None:
        """Delete the value, if it is still this one."""
        await self.client.eval(_DELETE_IF_EQUAL, 1, self.build_key(key), value)

    async def reconnect(self) -> None:
        """Use new connections from now on: after a failover the old ones lead to a replica."""
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


_SILENCE_S = 2.0
_MOST_SILENCES = 2


class Channel:
    """One channel; close it with `aclose`."""

    def __init__(self, url: str, name: str, *, timeout_s: float) -> None:
        self._name = f"{NAMESPACE}:{name}"
        self._timeout_s = timeout_s
        self._redis = client_for(url, connect_timeout_s=timeout_s)

    async def publish(self, message: bytes) -> None:
        """Send a message to all processes that listen.

        Raises:
            OSError: Redis fails; the message is the kind of error.
        """
        try:
            async with loop_timeout(self._timeout_s):
                await self._redis.publish(self._name, message)
        except (RedisError, OSError) as exc:
            raise ConnectionError(type(exc).__name__) from exc

    async def messages(self) -> AsyncGenerator[bytes | None, None]:
        """Yield None when the subscription has begun, and then each message.

        Raises:
            OSError: Redis fails, or answers no pings; the message is the kind of error.
        """
        try:
            async with self._redis.pubsub() as pubsub:
                await pubsub.subscribe(self._name)
                silences = 0
                while silences < _MOST_SILENCES:
                    message = await pubsub.get_message(timeout=_SILENCE_S)
                    silences = 0 if message else silences + 1
                    match message:
                        case None:
                            await pubsub.ping()
                        case {"type": "subscribe"}:
                            yield None
                        case {"type": "message", "data": data}:
                            yield data
                raise TimeoutError
        except (RedisError, OSError) as exc:
            raise ConnectionError(type(exc).__name__) from exc

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
