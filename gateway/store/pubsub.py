"""Messages between all processes that share a Redis or a Valkey, over publish and subscribe."""

from collections.abc import AsyncGenerator

from redis.exceptions import RedisError

from gateway.store.loop_timeout import loop_timeout
from gateway.store.redis import NAMESPACE, client_for

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
