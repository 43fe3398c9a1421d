"""A cache in Redis, for all processes; whatever happens there, no request fails of it.

Only one process at a time asks REST for the same caller. It holds a lease, which it renews as long
as it waits for REST: if it dies, the others wait for the rest of the lease, and no longer.
"""

import asyncio
import math
import secrets
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.store.loop_timeout import patience
from gateway.store.outages import Outages
from gateway.store.sealing import seal, unseal

__all__ = ["Kept", "Place", "RemoteCache", "SharedCache"]

T = TypeVar("T")

_LEASE_S = 2.0
_RENEWED_AFTER_S = 0.7
_FIRST_LOOK_S = 0.01
_LATER_LOOKS_S = 0.1
_MOST_AT_ONCE = 32
_LONGEST_QUEUE_S = 1.0
_MOST_OWED = 10_000
_TTL = struct.Struct(">d")
_FORM = 2  # one more whenever what is kept is written in another way
_LARGE = 2**20


class RemoteCache(Protocol):
    """The part of aiocache's interface that is used here; it may fail at any time."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""

    async def set(self, key: str, value: bytes, ttl: float, _cas_token: Any = None) -> Any:
        """Keep the value; with a token, only in the place of that value."""

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Keep the value, unless there is one; tell whether it was kept."""

    async def left_s(self, key: str) -> float:
        """Return for how many seconds more there is a value: none, or no end of them, maybe."""

    async def delete(self, key: str) -> Any:
        """Forget the value."""

    async def release(self, key: str, value: bytes) -> Any:
        """Forget the value, if it is this one."""

    async def reconnect(self) -> None:
        """Use new connections from now on: another machine may be meant by now."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """Where something is kept: under a name that anybody may see, sealed with a key (32 bytes)."""

    name: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept, and how long ago, by the clock of the cache: those of processes differ."""

    content: bytes
    age_s: float


@dataclass(frozen=True, slots=True)
class _Entry:
    place: Place
    content: bytes
    ttl_s: float
    made_s: float

    def left_s(self, now_s: float) -> float:
        """Return for how long it is still to be kept; Redis counts in milliseconds."""
        return round(self.made_s + self.ttl_s - now_s, 3)


@dataclass(frozen=True, slots=True)
class _Lease:
    key: str
    token: bytes


class SharedCache:
    """Shares bytes through `remote`; close it with `aclose`.

    When `remote` fails, it is left alone for a while: nothing is found there, and nobody waits.
    """

    def __init__(
        self,
        remote: RemoteCache,
        *,
        max_bytes: int,
        answer_s: float,
        turn_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it; `max_bytes` bounds an entry.

        `answer_s` bounds the waiting for an answer of `remote`, `turn_s` that for other processes
        with what is done after it.
        """
        self._remote = remote
        self._max_bytes = max_bytes
        self._answer_s = answer_s
        self._turn_s = turn_s
        self._clock = clock
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)
        self._owed: dict[str, _Entry] = {}
        self.outages = Outages(clock=clock)

    async def aclose(self) -> None:
        """Close the connections."""
        with suppress(Exception):
            async with patience(self._answer_s):
                await self._remote.close()

    async def get(self, place: Place) -> Kept | None:
        """Return what is kept there; None where nothing is, or nothing that opens."""
        sealed = await self._try(lambda: self._remote.get(place.name))
        if sealed is None:
            return None
        name, max_bytes = _name_of(place), _TTL.size + self._max_bytes
        opened = await _aside(
            len(sealed), lambda: unseal(sealed, key=place.key, name=name, max_bytes=max_bytes)
        )
        left_s = await self._try(lambda: self._remote.left_s(place.name)) if opened else None
        if not opened or not left_s or left_s == math.inf:  # what we keep has an end
            return None
        (ttl_s,) = _TTL.unpack_from(opened)
        return Kept(opened[_TTL.size :], max(0.0, ttl_s - left_s))

    async def put(
        self,
        place: Place,
        content: bytes,
        *,
        ttl_s: float,
        age_s: float = 0,
        is_owed: bool = False,
    ) -> None:
        """Keep something until it is `ttl_s` seconds old; what is owed, as soon as that works."""
        entry = _Entry(place, content, ttl_s, self._clock() - age_s)
        if await self._store(entry):
            self.outages.worked()
            while self._owed and not self.outages.is_paused:
                name, entry = self._owed.popitem()
                if not await self._store(entry) and entry.left_s(self._clock()) > 0:
                    self._owed[name] = entry
        elif is_owed and len(self._owed) < _MOST_OWED:
            self._owed[place.name] = entry

    async def _store(self, entry: _Entry) -> bool:
        left_s = entry.left_s(self._clock())
        if left_s <= 0 or self.outages.is_paused:
            return False
        key, name = entry.place.key, _name_of(entry.place)
        content = _TTL.pack(entry.ttl_s) + entry.content
        sealed = await _aside(len(content), lambda: seal(content, key=key, name=name))
        return bool(await self._try(lambda: self._remote.set(entry.place.name, sealed, ttl=left_s)))

    async def forget(self, place: Place) -> None:
        """Drop what is kept there."""
        await self._try(lambda: self._remote.delete(place.name))

    @asynccontextmanager
    async def turn(
        self, place: Place, *, usable: Callable[[Kept], T | None]
    ) -> AsyncIterator[T | None]:
        """Wait until it is this process's turn to get something, or another one has put it there.

        Gives what `usable` makes of what is there; None means: get it, and `put` it there.

        Raises:
            TimeoutError: after having waited there was no time left.
        """
        began_s = self._clock()
        found, lease, has_waited = await self._wait(place, usable, began_s)
        if found is not None:
            yield found
            return
        left_s = self._turn_s - (self._clock() - began_s) if has_waited else None
        if lease is None:
            async with asyncio.timeout(left_s):
                yield None
            return
        renewing = asyncio.create_task(self._renew(lease))
        try:
            async with asyncio.timeout(left_s):
                # Between the look and the lease another one may have been there and gone.
                yield await self._found(place, usable)
        finally:
            renewing.cancel()
            await self._try(lambda: self._remote.release(lease.key, lease.token))

    async def _wait(
        self, place: Place, usable: Callable[[Kept], T | None], began_s: float
    ) -> tuple[T | None, _Lease | None, bool]:
        """Wait for either, or until the cache fails; tell whether that took any time."""
        has_waited, look_s = False, _FIRST_LOOK_S
        while True:
            found = await self._found(place, usable)
            lease = None if found is not None else await self._lease(place)
            if found is not None or lease is not None or self.outages.is_paused:
                return found, lease, has_waited
            waited_s = self._clock() - began_s
            if waited_s >= self._turn_s:
                raise TimeoutError
            if waited_s >= _LEASE_S:
                await self._free(place)
            await asyncio.sleep(look_s)
            has_waited, look_s = True, min(2 * look_s, _LATER_LOOKS_S)

    async def _found(self, place: Place, usable: Callable[[Kept], T | None]) -> T | None:
        kept = await self.get(place)
        return None if kept is None else usable(kept)

    async def _lease(self, place: Place) -> _Lease | None:
        """Take the lease, or return None: another process has it, or nobody can be told."""
        lease = _Lease(f"{place.name}:lease", secrets.token_bytes(16))
        is_mine = await self._try(lambda: self._remote.add(lease.key, lease.token, ttl=_LEASE_S))
        return lease if is_mine else None

    async def _free(self, place: Place) -> None:
        """Drop a lease that would never end: it is none of ours."""
        key = f"{place.name}:lease"
        if await self._try(lambda: self._remote.left_s(key)) == math.inf:
            await self._try(lambda: self._remote.delete(key))

    async def _renew(self, lease: _Lease) -> None:
        while True:
            await asyncio.sleep(_RENEWED_AFTER_S)
            await self._try(
                lambda: self._remote.set(
                    lease.key, lease.token, ttl=_LEASE_S, _cas_token=lease.token
                )
            )

    async def _try(self, call: Callable[[], Awaitable[T]]) -> T | None:
        if self.outages.is_paused:
            return None
        try:
            async with patience(_LONGEST_QUEUE_S):
                await self._at_once.acquire()
            try:
                if self.outages.is_paused:  # those before have failed
                    return None
                async with patience(self._answer_s):
                    return await call()
            finally:
                self._at_once.release()
        except Exception as exc:  # noqa: BLE001  what answers there may be anything
            if self.outages.failed(exc):
                await self._reconnect()
            return None

    async def _reconnect(self) -> None:
        with suppress(Exception):
            async with patience(self._answer_s):
                await self._remote.reconnect()


def _name_of(place: Place) -> str:
    """Return what a place is called within the seal, so that no other form of it opens."""
    return f"{_FORM} {place.name}"


async def _aside(size_bytes: int, work: Callable[[], T]) -> T:
    """Do the work: away from the event loop where it is much."""
    return await asyncio.to_thread(work) if size_bytes > _LARGE else work()
