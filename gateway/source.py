"""Where resolvers get the caller's sessions: REST behind the per-caller cache."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.cache.flights import Flights
from gateway.caller import Caller, Header
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamForbiddenError,
    UpstreamUnauthenticatedError,
)

__all__ = ["Cache", "Fetch", "Snapshot", "Source"]

# A record costs about this many bytes of memory per byte of the JSON it came from; measured with
# tracemalloc on full and on sparse sessions.
_MEMORY_PER_JSON_BYTE = 2.2

Fetch = Callable[[Sequence[Header]], Awaitable[bytes]]
"""Calls REST with the given headers; answers with the body of a 200, decompressed."""

Decode = Callable[[bytes], Sequence[Any]]
"""Reads the records out of a body."""


class Cache(Protocol):
    """The part of aiocache's interface that is used here."""

    async def get(self, key: str) -> Any:
        """Return the value, or None."""

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        """Keep the value for `ttl` seconds."""

    async def delete(self, key: str) -> Any:
        """Forget the value."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Snapshot:
    """One decoded REST answer for one caller, never changed after it is made."""

    sessions: Sequence[Any]
    """The records, in REST's order."""

    fetched_at: float
    """When REST answered, in seconds of the source's clock."""

    size_bytes: int
    """What it costs in memory, roughly."""


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
    clock: Callable[[], float] = time.monotonic
    flights: Flights[Snapshot] = field(default_factory=Flights)

    async def snapshot(self, caller: Caller, trace: Sequence[Header] = ()) -> Snapshot:
        """Return the caller's snapshot, from the cache or from REST.

        `trace` goes along with a REST call that this request starts; it tells no callers apart.

        Raises:
            UpstreamError: REST did not give an answer that can be used.
        """
        key = caller.digest(self.secret, self.upstream_url.encode())
        kept: Snapshot | None = await self.cache.get(key) if self.ttl_s else None
        if kept is not None:
            return kept
        return await self.flights.join(key, lambda: self._fly(key, caller, trace))

    async def _fly(self, key: str, caller: Caller, trace: Sequence[Header]) -> Snapshot:
        try:
            body = await self.fetch((*caller.headers, *trace))
        except (UpstreamUnauthenticatedError, UpstreamForbiddenError):
            await self.cache.delete(key)
            raise
        snapshot = Snapshot(
            self._decoded(body), self.clock(), round(len(body) * _MEMORY_PER_JSON_BYTE)
        )
        if self.ttl_s:
            await self.cache.set(key, snapshot, ttl=self.ttl_s)
        return snapshot

    def _decoded(self, body: bytes) -> Sequence[Any]:
        try:
            return self.decode(body)
        except UpstreamBadResponseError as exc:
            exc.extensions["upstreamStatus"] = 200  # no other answer's body comes out of `fetch`
            raise
