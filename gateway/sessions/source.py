"""Where resolvers get the caller's sessions: REST behind the per-caller cache."""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Literal, Protocol

import msgspec

from gateway.caller import Caller
from gateway.errors import (
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamHeldOffError,
    UpstreamNotCalledError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
)
from gateway.headers import Header
from gateway.observe.cache_stats import Lookups
from gateway.sessions.assemble import Decode, read, zone_of
from gateway.sessions.revocations import Revocations
from gateway.sessions.snapshot import Epoch, Served, Snapshot, Stored, Windows
from gateway.store.lease import turn
from gateway.store.shared import Found, Place, SharedCache
from gateway.store.single_flight import Flights

__all__ = ["Cache", "Fetch", "Source"]

logger = logging.getLogger(__name__)

Fetch = Callable[[Sequence[Header]], Awaitable[bytes]]
"""Calls REST with the given headers; answers with the body of a 200, decompressed."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Source:
    """Gives each caller its own snapshot, no older than the windows allow.

    However many ask at once, one caller costs one REST call, in all processes that share a cache.
    Failures are not kept. When REST turns a caller away, what was kept for that caller goes too.
    """

    fetch: Fetch
    decode: Decode
    cache: Cache
    upstream_url: str
    windows: Windows
    shared: SharedCache | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    time_zone: tzinfo | None = None
    clock_ns: Callable[[], int] = time.time_ns
    revocations: Revocations = field(default_factory=Revocations)
    flights: Flights[Snapshot] = field(default_factory=Flights)
    epoch: Epoch = field(default_factory=Epoch)
    lookups: Lookups = field(default_factory=Lookups)
    tenant: str | None = None
    """Its name, where there are several."""

    async def serve(
        self,
        caller: Caller,
        trace: Sequence[Header] = (),
        *,
        key: str | None = None,
        max_age_s: float | None = None,
    ) -> Served:
        """Return the caller's snapshot, from the cache or from SuperOffice.

        `key` is the caller's, where it is known already: `key_of` is an HMAC.

        `trace` goes along with a REST call that this request starts; it tells no callers apart.
        `max_age_s` is the oldest snapshot that will do, where that is younger than the TTL.

        Raises:
            UpstreamError: REST did not give an answer that can be used, and nothing stands in.
        """
        key = key or self.key_of(caller)
        epoch_ns = self.epoch.began_ns
        kept = self._hit(await self.cache.get(key)) if self.windows.ttl_s else None
        fwd: Literal["miss", "stale", "request"] = "miss"
        if kept is not None:
            if kept.is_good_for(max_age_s):
                return kept
            fwd = "request" if kept.left_s() > 0 else "stale"

        def call() -> Awaitable[Snapshot]:
            return self._fly(key, caller, trace, max_age_s)

        will_do = kept is not None and kept.may_be_revalidated_later(max_age_s)
        if kept is not None and will_do and not await self._is_revoked(kept, caller):
            self.flights.start(key, call)
            return msgspec.structs.replace(kept, is_stale=True)
        is_joined = key in self.flights
        try:
            snapshot = await self.flights.join(key, call)
        except UpstreamError as exc:
            older = await self._stand_in(key, caller, exc, max_age_s)
            if older is None:
                raise
            return msgspec.structs.replace(older, fwd=fwd, is_stale=True, failure=exc)
        how: Literal["hit", "miss", "collapsed"] = "hit"
        if snapshot.is_from_rest:
            how = "collapsed" if is_joined else "miss"
        served = self._served(snapshot, how, fwd)
        # Who started a flight may have been content with less: with what another process had, or
        # with what REST was asked for before it changed.
        is_enough = snapshot.is_from_rest or served.is_good_for(max_age_s)
        if is_joined and not (is_enough and snapshot.asked_ns >= epoch_ns):
            await asyncio.sleep(0)  # one that has just landed could be joined still
            return await self.serve(caller, trace, key=key, max_age_s=max_age_s)
        return served

    def peek(self, key: str, *, max_age_s: float | None = None) -> Served | None:
        """Return a caller's snapshot, by its key, if that takes no waiting at all."""
        snapshot: Snapshot | None = self.cache.peek(key) if self.windows.ttl_s else None
        if snapshot is None:
            return None
        kept = self._served(snapshot, "hit", "miss")
        return kept if kept.is_good_for(max_age_s) else None

    def invalidate(self, since_ns: int) -> None:
        """Take nothing for fresh that REST was asked for before: something has changed there.

        `since_ns` is by the clock of whoever has heard of it; by this one, it is not yet to come.
        """
        self.epoch.began_ns = max(self.epoch.began_ns, min(since_ns, self.clock_ns()))

    def age_s(self, snapshot: Snapshot) -> float:
        """Return the age of a snapshot."""
        return self._served(snapshot, "hit", "miss").age_s()

    def key_of(self, caller: Caller) -> str:
        """Return the key of the caller's snapshot."""
        return caller.digest(self.secret, self.upstream_url.encode())

    def _hit(self, snapshot: Snapshot | None) -> Served | None:
        return None if snapshot is None else self._served(snapshot, "hit", "miss")

    def _served(
        self,
        snapshot: Snapshot,
        how: Literal["hit", "miss", "collapsed"],
        fwd: Literal["miss", "stale", "request"],
    ) -> Served:
        return Served(snapshot, how, fwd, self.windows, self.clock_ns, self.epoch.began_ns)

    async def _stand_in(
        self, key: str, caller: Caller, failure: UpstreamError, max_age_s: float | None
    ) -> Served | None:
        """Return what is given in the place of a failure, if anything is."""
        if not self.windows.if_error_s:
            return None
        older = self._hit(await self._latest(key, caller))
        if older is None or not older.may_stand_in(failure, max_age_s):
            return None
        return None if await self._is_revoked(older, caller) else older

    async def _latest(self, key: str, caller: Caller) -> Snapshot | None:
        """Return the latest snapshot there is, fresh or not."""
        kept: Snapshot | None = await self.cache.get(key)
        if kept is None and self.shared is not None:
            found = await self.shared.get(self._place(key, caller))
            if found is not None:
                kept = await self._read(caller, self._stored(found), {})
        return kept

    async def _fly(
        self, key: str, caller: Caller, trace: Sequence[Header], max_age_s: float | None
    ) -> Snapshot:
        try:
            if self.shared is None or not self.windows.ttl_s:
                _, snapshot = await self._ask(caller, trace)
            else:
                place = self._place(key, caller)
                snapshot = await self._share(self.shared, place, caller, trace, max_age_s)
        except (UpstreamUnauthenticatedError, UpstreamForbiddenError):
            await self.cache.delete(key)
            if self.windows.has_any:
                await self.revocations.add(
                    self._account(caller), self.clock_ns(), kept_s=self.windows.kept_s
                )
            raise
        except UpstreamError as exc:
            # Of calls that are not made there is no end, and why they are not has been told.
            is_no_call = isinstance(exc, UpstreamNotCalledError | UpstreamHeldOffError)
            level = logging.DEBUG if is_no_call else logging.WARNING
            logger.log(level, "A REST call failed: %s", _told(exc))
            raise
        if self.windows.ttl_s:
            await self.cache.set(key, snapshot, ttl=self.windows.kept_s)
        return snapshot

    async def _share(
        self,
        shared: SharedCache,
        place: Place,
        caller: Caller,
        trace: Sequence[Header],
        max_age_s: float | None,
    ) -> Snapshot:
        """Take what another process has stored, or ask REST and store the answer."""
        started = time.perf_counter()

        def usable(found: Found) -> Stored | None:
            stored = self._stored(found)
            is_young = max_age_s is None or found.age_s <= max_age_s
            is_fresh = found.age_s < self.windows.ttl_s
            is_up_to_date = stored.asked_ns >= self.epoch.began_ns
            return stored if is_fresh and is_young and is_up_to_date else None

        try:
            async with turn(shared, place, usable=usable) as stored:
                if stored is not None:
                    took_s = {"shared": time.perf_counter() - started}
                    return await self._read(caller, stored, took_s)
                try:
                    stored, snapshot = await self._ask(caller, trace)
                except (UpstreamUnauthenticatedError, UpstreamForbiddenError):
                    await shared.forget(place)
                    raise
                age_s = (self.clock_ns() - stored.fetched_ns) / 1e9
                kept_s = self.windows.kept_s
                await shared.put(place, stored.to_bytes(), ttl_s=kept_s, age_s=age_s)
                return snapshot
        except TimeoutError as exc:
            raise UpstreamTimeoutError("REST did not answer another process in time.") from exc

    def _stored(self, found: Found) -> Stored:
        return Stored.from_bytes(found.content, self.clock_ns() - round(found.age_s * 1e9))

    async def _ask(self, caller: Caller, trace: Sequence[Header]) -> tuple[Stored, Snapshot]:
        started, asked_ns = time.perf_counter(), self.clock_ns()
        body = await self.fetch((*caller.headers, *trace))
        stored = Stored(body, asked_ns, self.clock_ns())
        took_s = {"upstream": time.perf_counter() - started}
        return stored, await self._read(caller, stored, took_s)

    def _read(
        self, caller: Caller, stored: Stored, took_s: dict[str, float]
    ) -> Awaitable[Snapshot]:
        return read(stored, self.decode, zone_of(caller, self.time_zone), took_s)

    def _place(self, key: str, caller: Caller) -> Place:
        """Return where the caller's answer is in the shared cache, and what it is sealed with."""
        secret = hmac.digest(self.secret, b"sealing", "sha256")
        return Place(key, bytes.fromhex(caller.digest(secret, self.upstream_url.encode())))

    def _account(self, caller: Caller) -> Place:
        """Return where it is told whether REST turns the caller's credentials away."""
        credentials = caller.credentials()
        return self._place(f"{self.key_of(credentials)}:revoked", credentials)

    async def _is_revoked(self, older: Served, caller: Caller) -> bool:
        asked_ns = older.snapshot.asked_ns
        return await self.revocations.cover(self._account(caller), asked_ns, self.clock_ns())


def _told(exc: UpstreamError) -> str:
    """Tell an operator what went wrong; causes by their kinds, as their texts hold addresses."""
    kinds = []
    cause: BaseException | None = exc.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return f"{exc.extensions['code']}, {exc} {' < '.join(kinds)}".strip()
