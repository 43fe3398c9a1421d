"""Plays the cache that processes share, inside one."""

import asyncio
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from gateway.store.redis import RedisCache
from tests.store.fakes import Clock


@dataclass
class Remote(RedisCache):
    """Keeps bytes until their time is up, or fails as told."""

    clock: Clock
    failure: Exception | None = None
    is_full: bool = False
    most: float = float("inf")
    """The bytes that a value may have."""

    is_hung: bool = False
    kept: dict[str, tuple[bytes | None, float]] = field(default_factory=dict)
    calls: int = 0
    connections: int = 1
    is_closed: bool = False

    async def get(self, key: str) -> bytes | None:
        await self._begin()
        return self._value(key)

    async def set(self, key: str, value: bytes, ttl: float) -> bool:
        await self._begin(writes=len(value))
        self.kept[key] = (value, self.clock() + ttl)
        return True

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        await self._begin(writes=len(value))
        if self._value(key) is not None:
            return False
        self.kept[key] = (value, self.clock() + ttl)
        return True

    async def extend(self, key: str, value: bytes, ttl: float) -> None:
        await self._begin()
        if self._value(key) == value:
            self.kept[key] = (value, self.clock() + ttl)

    async def left_s(self, key: str) -> float:
        await self._begin()
        return self.kept[key][1] - self.clock() if self._value(key) is not None else 0

    async def delete(self, key: str) -> int:
        await self._begin()
        return int(self.kept.pop(key, None) is not None)

    async def release(self, key: str, value: bytes) -> None:
        await self._begin()
        if self._value(key) == value:
            del self.kept[key]

    async def reconnect(self) -> None:
        self.connections += 1

    async def aclose(self) -> None:
        self.is_closed = True
        await self._begin()

    def _value(self, key: str) -> bytes | None:
        value, expires_at = self.kept.get(key, (None, 0.0))
        return value if self.clock() < expires_at else None

    async def _begin(self, *, writes: int = 0) -> None:
        self.calls += 1
        await asyncio.sleep(3_600 if self.is_hung else 0)
        if self.failure is not None:
            raise self.failure
        if writes and (self.is_full or writes > self.most):
            raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
