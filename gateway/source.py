"""Where resolvers get the caller's sessions: REST behind the per-caller cache."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Literal, Protocol

from gateway.cache.answers import Answers
from gateway.cache.flights import Flights
from gateway.cache.lookups import Lookups, Result
from gateway.caller import Caller, Header
from gateway.dates import AsOf
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamUnauthenticatedError,
)

__all__ = ["Cache", "Fetch", "Served", "Snapshot", "Source"]

logger = logging.getLogger(__name__)

# What a snapshot costs in memory, measured with tracemalloc on full and on sparse sessions: most of
# it is the JSON that linked objects and maps are read from.
_MEMORY_PER_JSON_BYTE = 1.3
_MEMORY_PER_SESSION = 600

# The answers made from a snapshot may take as much again as it does itself, and no less than this.
_LEAST_FOR_ANSWERS = 32 * 2**10

_LARGE = 2**20

# How long a snapshot stays after it was fetched, in TTLs: past the first it is of no use but to say
# that there was one.
_KEPT_TTLS = 2

Fetch = Callable[[Sequence[Header]], Awaitable[bytes]]
"""Calls REST with the given headers; answers with the body of a 200, decompressed."""

Decode = Callable[[bytes], Sequence[Any]]
"""Reads the records out of a body."""


class Cache(Protocol):
    """The part of aiocache's interface that is used here."""

    async def get(self, key: str) -> Any:
        """Return the value, or None."""

    def peek(self, key: str) -> Any:
        """Return the value if it is at hand, without waiting."""

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        """Keep the value for `ttl` seconds."""

    async def delete(self, key: str) -> Any:
        """Forget the value."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Snapshot:
    """One decoded REST answer for one caller, never changed after it is made."""

    sessions: Sequence[Any]
    """The records, in REST's order."""

    as_of: AsOf
    """When REST answered, and the zone of its zone-less times; each session has it too."""

    own_bytes: int
    """What the sessions cost in memory, roughly."""

    times_s: Mapping[str, float]
    """What it took to get: `upstream` for the REST call, `decode` for reading its answer."""

    answers: Answers[Any] = field(default_factory=lambda: Answers(0))
    """What has been answered from it."""

    json_bytes: int = 0
    """What REST sent, decompressed."""

    @property
    def size_bytes(self) -> int:
        """Tell what it costs in memory, with what hangs on it."""
        return self.own_bytes + self.answers.size_bytes


@dataclass(frozen=True, slots=True)
class Served:
    """A snapshot, and how a request came by it."""

    snapshot: Snapshot
    how: Literal["hit", "miss", "collapsed"]
    fwd: Literal["miss", "stale", "request"]
    """Why REST was asked, if it was: nothing was kept, it was too old, or too old for this one."""

    ttl_s: float
    clock_ns: Callable[[], int]

    @property
    def result(self) -> Result:
        """What came of looking for it, in one word."""
        return self.fwd if self.how == "miss" else self.how

    @property
    def is_stored(self) -> bool:
        """Whether the snapshot was kept for others to come."""
        return self.ttl_s > 0

    def age_s(self) -> float:
        """Return the snapshot's age."""
        return max(0.0, (self.clock_ns() - self.snapshot.as_of.fetched_ns) / 1e9)

    def left_s(self) -> float:
        """Return for how long it is still fresh."""
        return max(0.0, self.ttl_s - self.age_s())

    def is_good_for(self, max_age_s: float | None) -> bool:
        """Tell whether it is fresh, and young enough for who asks."""
        age_s = self.age_s()
        return age_s < self.ttl_s and (max_age_s is None or age_s <= max_age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Gives each caller its own snapshot, at most `ttl_s` seconds old.

    However many ask at once, one caller costs one REST call. Failures are not kept. When REST
    turns a caller away, what was kept for that caller goes too.
    """

    fetch: Fetch
    decode: Decode
    cache: Cache
    upstream_url: str
    ttl_s: float
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    time_zone: tzinfo | None = None
    clock_ns: Callable[[], int] = time.time_ns
    flights: Flights[Snapshot] = field(default_factory=Flights)
    lookups: Lookups = field(default_factory=Lookups)

    async def serve(
        self, caller: Caller, trace: Sequence[Header] = (), *, max_age_s: float | None = None
    ) -> Served:
        """Return the caller's snapshot, from the cache or from REST.

        `trace` goes along with a REST call that this request starts; it tells no callers apart.
        `max_age_s` is the oldest snapshot that will do, where that is younger than the TTL.

        Raises:
            UpstreamError: REST did not give an answer that can be used.
        """
        key = self.key_of(caller)
        kept = self._hit(await self.cache.get(key)) if self.ttl_s else None
        fwd: Literal["miss", "stale", "request"] = "miss"
        if kept is not None:
            if kept.is_good_for(max_age_s):
                return kept
            fwd = "request" if kept.left_s() else "stale"
        is_joined = key in self.flights
        snapshot = await self.flights.join(key, lambda: self._fly(key, caller, trace))
        return Served(
            snapshot, "collapsed" if is_joined else "miss", fwd, self.ttl_s, self.clock_ns
        )

    def peek(self, key: str, *, max_age_s: float | None = None) -> Served | None:
        """Return a caller's snapshot, by its key, if that takes no waiting at all."""
        kept = self._hit(self.cache.peek(key)) if self.ttl_s else None
        return kept if kept is not None and kept.is_good_for(max_age_s) else None

    def key_of(self, caller: Caller) -> str:
        """Return the key of the caller's snapshot."""
        return caller.digest(self.secret, self.upstream_url.encode())

    def _hit(self, snapshot: Snapshot | None) -> Served | None:
        if snapshot is None:
            return None
        return Served(snapshot, "hit", "miss", self.ttl_s, self.clock_ns)

    async def _fly(self, key: str, caller: Caller, trace: Sequence[Header]) -> Snapshot:
        started = time.perf_counter()
        try:
            body = await self.fetch((*caller.headers, *trace))
        except (UpstreamUnauthenticatedError, UpstreamForbiddenError):
            await self.cache.delete(key)
            raise
        except UpstreamError as exc:
            logger.warning("A REST call failed: %s", _told(exc))
            raise
        fetched = time.perf_counter()
        as_of = AsOf(self.clock_ns(), _zone(caller, self.time_zone))
        if len(body) > _LARGE:
            # The event loop gets its turn between the passes over the body, each of which holds it.
            sessions = await asyncio.to_thread(self._decoded, body)
        else:
            sessions = self._decoded(body)
        for session in sessions:
            session.as_of = as_of
        times_s = {"upstream": fetched - started, "decode": time.perf_counter() - fetched}
        own_bytes = round(len(body) * _MEMORY_PER_JSON_BYTE) + _MEMORY_PER_SESSION * len(sessions)
        answers = Answers[Any](max(own_bytes, _LEAST_FOR_ANSWERS))
        snapshot = Snapshot(sessions, as_of, own_bytes, times_s, answers, len(body))
        if self.ttl_s:
            await self.cache.set(key, snapshot, ttl=_KEPT_TTLS * self.ttl_s)
        return snapshot

    def _decoded(self, body: bytes) -> Sequence[Any]:
        try:
            return self.decode(body)
        except UpstreamBadResponseError as exc:
            exc.extensions["upstreamStatus"] = 200  # no other answer's body comes out of `fetch`
            raise


def _told(exc: UpstreamError) -> str:
    """Tell an operator what went wrong; causes by their kinds, as their texts hold addresses."""
    kinds = []
    cause: BaseException | None = exc.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return f"{exc.extensions['code']}, {exc} {' < '.join(kinds)}".strip()


def _zone(caller: Caller, base: tzinfo | None) -> tzinfo | None:
    """Return the zone of the zone-less times in a caller's answers.

    `SO-TimeZone` moves them from the tenant's base zone to the one it names, by SuperOffice's own
    codes; of these, only UTC says which zone it is.
    """
    asked = [value for name, value in caller.headers if name == b"so-timezone"]
    if not asked:
        return base
    return UTC if asked[0].partition(b",")[0].strip().upper() == b"UTC" else None
