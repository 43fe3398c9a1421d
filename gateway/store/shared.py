"""A cache in Redis, for all processes; a failure of it fails no request."""

import asyncio
import logging
import math
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gateway.store.loop_timeout import loop_timeout
from gateway.store.redis import RedisCache
from gateway.store.sealing import seal, unseal

logger = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Outages:
    """After a failure the cache is not used for a pause, which doubles until a write succeeds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = _SHORTEST_PAUSE_S
        self._until = float("-inf")
        self.is_known = False
        """Whether there is an outage, which has been logged."""

    @property
    def is_paused(self) -> bool:
        """Whether the cache must not be used now."""
        return self._clock() < self._until

    def failed(self, exc: Exception) -> bool:
        """Record a failure; its text may hold an address or a password, and is not logged.

        Return whether it is the first of those that were in progress at the same time.
        """
        is_first = not self.is_paused
        if is_first:
            self._until = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if not self.is_known:
            self.is_known = True
            logger.warning(
                "The shared cache fails (%s): going on with memory and SuperOffice alone",
                type(exc).__name__,
            )
        return is_first

    def worked(self) -> None:
        """Record a successful write, which is what a full Redis refuses."""
        self._pause_s = _SHORTEST_PAUSE_S
        if self.is_known:
            self.is_known = False
            logger.info("The shared cache works again")


T = TypeVar("T")

_MOST_AT_ONCE = 32
_LONGEST_QUEUE_S = 1.0
_MOST_OWED = 10_000
_TTL = struct.Struct(">d")
_FORM = 2  # incremented whenever the format of entries changes
_LARGE = 2**20


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """Where an entry is stored: under a public name, sealed with a key of 32 bytes."""

    name: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """The content of an entry, and its age by the clock of the cache: those of processes differ."""

    content: bytes
    age_s: float


@dataclass(frozen=True, slots=True)
class _Entry:
    place: Place
    content: bytes
    ttl_s: float
    made_s: float

    def left_s(self, now_s: float) -> float:
        """Return when it expires, rounded to Redis's milliseconds."""
        return round(self.made_s + self.ttl_s - now_s, 3)


class SharedCache:
    """Shares bytes through `remote`; close it with `aclose`.

    After a failure `remote` is not used for a while: nothing is found there, and nobody waits.
    """

    def __init__(
        self,
        remote: RedisCache,
        *,
        max_bytes: int,
        answer_s: float,
        turn_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it.

        Args:
            remote: the cache in Redis.
            max_bytes: the largest entry.
            answer_s: the timeout of a command.
            turn_s: how long a process waits for another one to fetch what both need.
            clock: in seconds.
        """
        self.remote = remote
        self.turn_s = turn_s
        self.clock = clock
        self.outages = Outages(clock=clock)
        self._max_bytes = max_bytes
        self._answer_s = answer_s
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)
        self._owed: dict[str, _Entry] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        with suppress(Exception):
            async with loop_timeout(self._answer_s):
                await self.remote.aclose()

    async def get(self, place: Place) -> Found | None:
        """Return the entry; None where there is none, or one that cannot be unsealed."""
        sealed = await self.attempt(lambda: self.remote.get(place.name))
        if sealed is None:
            return None
        name, max_bytes = _sealed_name(place), _TTL.size + self._max_bytes
        opened = await _threaded_if_large(
            len(sealed), lambda: unseal(sealed, key=place.key, name=name, max_bytes=max_bytes)
        )
        left_s = await self.attempt(lambda: self.remote.left_s(place.name)) if opened else None
        if not opened or not left_s or left_s == math.inf:  # all of our entries expire
            return None
        (ttl_s,) = _TTL.unpack_from(opened)
        return Found(opened[_TTL.size :], max(0.0, ttl_s - left_s))

    async def put(
        self, place: Place, content: bytes, *, ttl_s: float, age_s: float = 0, is_owed: bool = False
    ) -> None:
        """Store content until it is `ttl_s` seconds old.

        In an outage it is lost, unless `is_owed`: then it is stored after the outage.
        """
        entry = _Entry(place, content, ttl_s, self.clock() - age_s)
        if await self._store(entry):
            self.outages.worked()
            while self._owed and not self.outages.is_paused:
                name, entry = self._owed.popitem()
                if not await self._store(entry) and entry.left_s(self.clock()) > 0:
                    self._owed[name] = entry
        elif is_owed and len(self._owed) < _MOST_OWED:
            self._owed[place.name] = entry

    async def forget(self, place: Place) -> None:
        """Delete the entry."""
        await self.attempt(lambda: self.remote.delete(place.name))

    async def attempt(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of a call to `remote`; None where it fails, or may not be made now."""
        if self.outages.is_paused:
            return None
        try:
            async with loop_timeout(_LONGEST_QUEUE_S):
                await self._at_once.acquire()
            try:
                if self.outages.is_paused:  # the calls before have failed
                    return None
                async with loop_timeout(self._answer_s):
                    return await call()
            finally:
                self._at_once.release()
        except Exception as exc:  # noqa: BLE001  the peer may be anything
            if self.outages.failed(exc):
                with suppress(Exception):
                    async with loop_timeout(self._answer_s):
                        await self.remote.reconnect()
            return None

    async def _store(self, entry: _Entry) -> bool:
        left_s = entry.left_s(self.clock())
        if left_s <= 0 or self.outages.is_paused:
            return False
        key, name = entry.place.key, _sealed_name(entry.place)
        content = _TTL.pack(entry.ttl_s) + entry.content
        sealed = await _threaded_if_large(len(content), lambda: seal(content, key=key, name=name))
        return bool(
            await self.attempt(lambda: self.remote.set(entry.place.name, sealed, ttl=left_s))
        )


def _sealed_name(place: Place) -> str:
    """Return the name that is sealed in, with the format, so that no other format is read."""
    return f"{_FORM} {place.name}"


async def _threaded_if_large(size_bytes: int, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if size_bytes > _LARGE else work()
