"""A fake of the shared cache, in memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from gateway.store.commands import LEASE_MS, Command
from gateway.store.redis import RedisCache
from gateway.store.shared import TIMES
from tests.clock import FakeClock

_LEASE_S = LEASE_MS / 1000
FULL = ResponseError("OOM command not allowed when used memory > 'maxmemory'.")


@dataclass
class Remote(RedisCache):
    """Stores bytes for their TTL, or raises `failure`."""

    clock: FakeClock
    failure: Exception | None = None
    is_full: bool = False
    most: float = float("inf")
    """The largest value in bytes."""

    is_hung: bool = False
    entries: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    calls: int = 0
    """The number of round trips."""

    connections: int = 1
    is_closed: bool = False

    async def run(self, commands: Sequence[Command], replied: Callable[[], None]) -> list[Any]:
        self.calls += 1
        await asyncio.sleep(3_600 if self.is_hung else 0)
        if self.failure is not None:
            raise self.failure
        replied()
        return [self._reply(command) for command in commands]

    async def reconnect(self) -> None:
        self.connections += 1

    async def aclose(self) -> None:
        self.is_closed = True
        if self.failure is not None:
            raise self.failure

    def _reply(self, command: Command) -> Any:
        lease = f"{command.name}:lease"
        match command:
            case Command("lookup", name, (bytes(token), _, oldest_s, int(max_bytes))):
                entry = self._value(name)
                if len(entry) > TIMES.size and len(entry) <= max_bytes:
                    made_s, _ = TIMES.unpack_from(entry)
                    if -1 < self.clock() - made_s <= oldest_s:
                        return self.clock(), entry, False
                is_mine = bool(token) and not 0 < self._left_s(lease) <= _LEASE_S
                if is_mine and not self._set(lease, token, _LEASE_S):
                    return FULL
                return self.clock(), None, is_mine
            case Command("store", name, (bytes(token), bytes(entry), int(left_ms))):
                is_stored = not entry or self._set(name, entry, left_ms / 1000)
                if token and self._value(lease) == token:
                    del self.entries[lease]
                return b"OK" if is_stored else FULL
            case Command("extend", _, (bytes(token), _)):
                return self._value(lease) == token and self._set(lease, token, _LEASE_S)
            case Command("forget", name):
                return int(self.entries.pop(name, None) is not None)

    def _set(self, key: str, value: bytes, ttl_s: float) -> bool:
        if self.is_full or len(value) > self.most:
            return False
        self.entries[key] = (value, self.clock() + ttl_s)
        return True

    def _value(self, key: str) -> bytes:
        return self.entries[key][0] if self._left_s(key) > 0 else b""

    def _left_s(self, key: str) -> float:
        return self.entries[key][1] - self.clock() if key in self.entries else 0
