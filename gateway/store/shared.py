"""A cache in Redis, for all processes; its failures fail no request."""

import asyncio
import logging
import math
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gateway.store.batches import Batches
from gateway.store.commands import LEASE_MS, Command, Reply
from gateway.store.loop_timeout import loop_timeout
from gateway.store.sealing import seal, unseal

if TYPE_CHECKING:
    from gateway.store.redis import RedisCache

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_AT_ONCE = 256  # thousands a second, even if Redis answers just in time
_LONGEST_ROUND_TRIP_S = 0.5
_MOST_OWED = 10_000
_OWED_AT_ONCE = 16
_MOST_WAITING_BYTES = 4 * 2**20
_FORM = b"3 "  # changed whenever the format of entries changes
TIMES = struct.Struct(">dd")
_LARGE_BYTES = 2**20
_COMPRESSION_RATIO = 20  # of sessions
_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_RETRIED_AFTER_S = 5.0


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
        """Record a successful write; a read proves nothing, as a full Redis refuses only writes."""
        self._pause_s = _SHORTEST_PAUSE_S
        if self.is_known:
            self.is_known = False
            logger.info("The shared cache works again")


@dataclass(frozen=True, slots=True, repr=False)
class SharedKey:
    """The key of an entry: its name in Redis, and the secret of 32 bytes that seals its content."""

    name: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """The content of an entry, and its age by Redis' clock, as those of processes differ."""

    content: bytes
    age_s: float


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of a lookup: the entry, and whether this process took the lease."""

    found: Found | None = None
    has_lease: bool = False
    is_invalid: bool = False
    """Whether there is an entry of the right age which cannot be unsealed."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: SharedKey
    content: bytes
    ttl_s: float
    made_s: float
    is_owed: bool = False

    def left_s(self, now_s: float) -> float:
        """Return the seconds until it expires, rounded to Redis' milliseconds."""
        return round(self.made_s + self.ttl_s - now_s, 3)


@dataclass(eq=False, repr=False)
class SharedCache:
    """Shares bytes through `remote`; close it with `aclose`.

    After a failure `remote` is not used for a while: lookups return nothing at once. The bytes that
    wait to be written are bounded: past that, entries are dropped.
    """

    remote: "RedisCache"
    _: KW_ONLY
    max_bytes: int
    """The largest content of an entry."""

    answer_s: float
    """The timeout of a reply."""

    lease_wait_s: float
    """How long a process waits for another one that fetches the same entry."""

    clock: Callable[[], float] = time.monotonic
    dropped: int = field(default=0, init=False)
    """How many entries were not written because too many bytes waited."""

    _waiting_bytes: int = field(default=0, init=False)
    _owed: dict[str, _Entry] = field(default_factory=dict, init=False)
    _ahead_s: float | None = field(default=None, init=False)
    """The seconds by which Redis' clock is ahead of this one."""

    def __post_init__(self) -> None:
        self.outages = Outages(clock=self.clock)
        self._largest = self.max_bytes + self.max_bytes // 128 + 1024  # random data grow
        self._batches = Batches(self._send, most=_MOST_AT_ONCE)

    async def end_outages(self) -> None:
        """In an outage, write a small entry now and then: an idle process writes nothing else."""
        while True:
            await asyncio.sleep(_RETRIED_AFTER_S)
            if self.outages.is_known:
                await self._batches.add("store", "outage", b"", b"over", 1_000)

    async def aclose(self) -> None:
        """Write the waiting entries, and close the connections."""
        await self._batches.finish()
        with suppress(Exception):
            async with loop_timeout(self.answer_s):
                await self.remote.aclose()

    async def get(self, key: SharedKey) -> Found | None:
        """Return the entry; None if there is none, or if it cannot be unsealed."""
        return (await self.look_up(key)).found

    async def look_up(
        self, key: SharedKey, *, token: bytes = b"", oldest_s: float = math.inf
    ) -> LookupResult:
        """Read the entry; with a `token`, take the lease if no entry is young enough."""
        read = await self._batches.add("lookup", key.name, token, LEASE_MS, oldest_s, self._largest)
        if read is None:
            return LookupResult()
        now_s, entry, is_mine = read
        self._ahead_s = now_s - self.clock()
        if entry is None:
            return LookupResult(has_lease=is_mine)
        made_s, ttl_s = TIMES.unpack_from(entry.ljust(TIMES.size))
        name, sealed = _sealed_name(key, entry), entry[TIMES.size :]
        opened = await _threaded_if_large(
            _COMPRESSION_RATIO * len(sealed),
            lambda: unseal(sealed, key=key.secret, name=name, max_bytes=self.max_bytes),
        )
        age_s = max(0.0, now_s - made_s)
        if not opened or age_s >= ttl_s:  # not ours: Redis would have deleted it
            return LookupResult(is_invalid=True)
        return LookupResult(Found(opened, age_s))

    async def put(
        self, key: SharedKey, content: bytes, *, ttl_s: float, is_owed: bool = False
    ) -> None:
        """Store new content for `ttl_s` seconds.

        In an outage it is lost, unless `is_owed`: then it is stored after the outage.
        """
        entry = _Entry(key, content, ttl_s, self.clock(), is_owed)
        if self._ahead_s is None:
            await self.look_up(key)  # for the time in Redis
        if (written := await self._write(entry)) is not None:
            await written

    async def hand_over(
        self, key: SharedKey, content: bytes, token: bytes, *, ttl_s: float, age_s: float = 0
    ) -> None:
        """Store content and release the lease, without waiting for Redis.

        The content expires when it is `ttl_s` seconds old.
        """
        entry = _Entry(key, content, ttl_s, self.clock() - age_s)
        if await self._write(entry, token) is None:
            self.release(key, token)

    def release(self, key: SharedKey, token: bytes) -> None:
        """Release the lease, if the token holds it."""
        if token:
            self._batches.add("store", key.name, token, b"", 0)

    def extend(self, key: SharedKey, token: bytes) -> None:
        """Renew the lease."""
        self._batches.add("extend", key.name, token, LEASE_MS)

    async def reserve(self, name: str, per_second: int, longest_s: float) -> float | None:
        """Reserve the time of a call; return the seconds to wait, None while the cache fails."""
        longest_ms = int(longest_s * 1000)
        wait_ms = await self._batches.add("reserve", name, per_second, longest_ms)
        return wait_ms / 1000 if isinstance(wait_ms, int) else None

    async def forget(self, key: SharedKey, ttl_s: float = 0) -> None:
        """Delete the entry; after an outage, replace one of up to `ttl_s` by an empty one."""
        if await self._batches.add("forget", key.name) is None:
            self._owe(_Entry(key, b"", ttl_s, self.clock(), is_owed=True))

    async def _write(self, entry: _Entry, token: bytes = b"") -> "asyncio.Future[Reply] | None":
        """Seal an entry and begin to write it; None if it has expired or may not be written now."""
        key, left_s = entry.key, entry.left_s(self.clock())
        self._owed.pop(key.name, None)  # it is older
        if left_s <= 0 or self.outages.is_paused or self._ahead_s is None:
            self._owe(entry)
            return None
        times = TIMES.pack(entry.made_s + self._ahead_s, entry.ttl_s)
        content, secret, name = entry.content, key.secret, _sealed_name(key, times)
        sealed = times + await _threaded_if_large(
            len(content), lambda: seal(content, key=secret, name=name)
        )
        if self._waiting_bytes and self._waiting_bytes + len(sealed) > _MOST_WAITING_BYTES:
            self.dropped += 1
            self._owe(entry)
            return None

        def written(reply: "asyncio.Future[Reply]") -> None:
            self._waiting_bytes -= len(sealed)
            if reply.cancelled() or reply.result() is None:
                self._owe(entry)

        self._waiting_bytes += len(sealed)
        writing = self._batches.add("store", key.name, token, sealed, round(left_s * 1000))
        writing.add_done_callback(written)
        return writing

    def _owe(self, entry: _Entry) -> None:
        """Keep an entry that must be written once the cache works."""
        is_left = entry.left_s(self.clock()) > 0
        if entry.is_owed and is_left and len(self._owed) < _MOST_OWED:
            self._owed[entry.key.name] = entry

    async def _send(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the replies; None for a command that fails, or may not be sent now."""
        if self.outages.is_paused:
            return [None] * len(commands)
        try:
            async with loop_timeout(self.answer_s, most_s=_LONGEST_ROUND_TRIP_S) as restart:
                replies = await self.remote.run(commands, restart)
        except Exception as exc:  # noqa: BLE001  the peer may be anything
            replies = [exc] * len(commands)
        failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if failure is None:
            await self._write_owed(commands)
        elif self.outages.failed(failure):
            with suppress(Exception):
                async with loop_timeout(self.answer_s):
                    await self.remote.reconnect()
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    async def _write_owed(self, commands: Sequence[Command]) -> None:
        """Write some owed entries after a written one; after these the next, until none is left."""
        if any(command.script == "store" and command.arguments[1] for command in commands):
            self.outages.worked()
            for name in [*self._owed][:_OWED_AT_ONCE]:
                await self._write(self._owed.pop(name))


def _sealed_name(key: SharedKey, times: bytes) -> bytes:
    """Return what is authenticated: name, times, and format, so that no other format is read."""
    return _FORM + times[: TIMES.size] + key.name.encode()


async def _threaded_if_large(size_bytes: int, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if size_bytes > _LARGE_BYTES else work()
