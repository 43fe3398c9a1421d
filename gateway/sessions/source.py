"""A caller's sessions, from the cache or from the REST API."""

import asyncio
import hmac
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamRejectionError, UpstreamTimeoutError, described
from gateway.headers import Header
from gateway.records.decode import Decode
from gateway.sessions.caller_rate import CallerRate
from gateway.sessions.freshness import Forwarded, How, Lookups, Served, Windows
from gateway.sessions.snapshot import Complete, Origin, Snapshot, Stored, assemble
from gateway.store.lease import leased
from gateway.store.memory import BoundedMemoryCache
from gateway.store.shared import Found, SharedCache, SharedKey
from gateway.store.shared_times import SharedTimes
from gateway.store.single_flight import Flights
from gateway.upstream.body_memory import BodyMemory
from gateway.upstream.budget import POLL, Poll

logger = logging.getLogger(__name__)

_SHORTEST_AGE_S = 1.0
"""A lower bound for `Cache-Control`, so that requests with `no-cache` can share a REST call."""

Fetch = Callable[[Caller, Sequence[Header]], Awaitable[bytes]]
"""Calls SuperOffice for a caller, within a trace; returns the body of a 200, decompressed."""


class _Request(NamedTuple):
    """A request for a caller's snapshot, of an age that it accepts."""

    caller: Caller
    key: str
    trace: Sequence[Header]
    max_age_s: float | None
    since_ns: float
    """When the call for a snapshot that is young enough must have begun."""

    is_poll: bool


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class Source:
    """Serves each caller its own snapshot, no older than the windows allow.

    Concurrent requests of a caller cost one REST call, in all processes that share a cache.
    Failures are not cached. When SuperOffice rejects a caller, its snapshot is deleted.
    """

    fetch: Fetch
    decode: Decode
    cache: BoundedMemoryCache
    upstream_url: str
    windows: Windows
    complete: Complete = bool
    shared: SharedCache | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    time_zone: tzinfo | None = None
    clock_ns: Callable[[], int] = time.time_ns
    rejections: SharedTimes = field(default_factory=SharedTimes)
    """When credentials were rejected: no older snapshot is served after that.

    Languages and time zones do not count: a user is locked out in all of them.
    """

    flights: Flights[Snapshot] = field(default_factory=Flights)
    _polls: WeakValueDictionary[str, Poll] = field(default_factory=WeakValueDictionary, init=False)
    """Those that have started a flight, by key."""

    epoch_ns: int = field(default=0, init=False)
    """The time of the last known change: snapshots requested before it are out of date."""

    lookups: Lookups = field(default_factory=Lookups)
    bodies: BodyMemory = field(default_factory=BodyMemory)
    caller_rate: CallerRate | None = None
    tenant: str | None = None
    """Its name, if there are several."""

    async def serve(
        self,
        caller: Caller,
        trace: Sequence[Header] = (),
        *,
        key: str | None = None,
        max_age_s: float | None = None,
        is_poll: bool = False,
    ) -> Served:
        """Return the caller's snapshot, from the cache or from SuperOffice.

        Args:
            caller: whose sessions are served.
            trace: headers that are added to the REST call; no part of the key.
            key: the caller's key, if it is known already; `key_of` computes an HMAC.
            max_age_s: the age of the oldest snapshot that is accepted, if less than the TTL; except
                for polls, one second at least.
            is_poll: whether it is for a live subscription, which yields to requests.

        Raises:
            UpstreamRateLimitedError: the caller sends too many requests.
            UpstreamError: SuperOffice sent no usable answer, and there is no stale one to serve.
        """
        key = key or self.key_of(caller)
        if self.caller_rate is not None and not is_poll:
            self.caller_rate.check(self.owner_of(caller))
        max_age_s = max_age_s if is_poll or max_age_s is None else max(max_age_s, _SHORTEST_AGE_S)
        since_ns = self._since_ns(None if is_poll else max_age_s)
        while True:
            cached = self._hit(await self.cache.get(key)) if self.windows.ttl_s else None
            if cached is not None and cached.is_good_for(max_age_s, since_ns):
                return cached
            request = _Request(caller, key, trace, max_age_s, since_ns, is_poll)
            if (served := await self._fetched(request, cached)) is not None:
                return served
            await asyncio.sleep(0)  # a flight that has just landed could still be joined

    async def _fetched(self, request: _Request, cached: Served | None) -> Served | None:
        """Make or join a call; return its snapshot, or a stale one for as long as that is allowed.

        None: the joined call was made for another request, and its snapshot is too old for this.
        """
        key, call = request.key, partial(self._fly, request)
        epoch_ns = max(self.epoch_ns, request.since_ns)
        fwd: Forwarded = "miss"
        if cached is not None:
            is_usable = cached.may_be_revalidated_later(request.max_age_s)
            if is_usable and not await self._is_rejected_since(cached, request.caller):
                self.flights.start(key, call)
                return msgspec.structs.replace(cached, is_stale=True)
            fwd = "request" if cached.left_s() > 0 else "stale"
        is_joined = key in self.flights
        if not request.is_poll and (poll := self._polls.get(key)) is not None:
            poll.join()
        try:
            snapshot = await self.flights.join(key, call)
        except UpstreamError as exc:
            older = await self._stale(request, exc)
            if older is None:
                raise
            return msgspec.structs.replace(older, fwd=fwd, is_stale=True, failure=exc)
        how: How = "collapsed" if is_joined else "miss"
        served = self._served(snapshot, "hit" if snapshot.origin == "shared" else how, fwd)
        if not is_joined:
            return served
        # That request may have accepted an older one: of another process, or from before a change.
        is_young = served.is_good_for(request.max_age_s, request.since_ns)
        is_enough = snapshot.origin == "upstream" or is_young
        return served if is_enough and snapshot.requested_ns >= epoch_ns else None

    def peek(self, key: str, *, max_age_s: float | None = None) -> Served | None:
        """Return the snapshot of a key if it is fresh and in memory, without waiting."""
        cached = self._hit(self.cache.peek(key)) if self.windows.ttl_s else None
        since_ns = self._since_ns(max_age_s)
        return cached if cached is not None and cached.is_good_for(max_age_s, since_ns) else None

    def rejected_ns(self, caller: Caller) -> int:
        """Return when this process last saw the caller's credentials rejected; 0 for never."""
        return self.rejections.own_ns(self._rejection(caller))

    def _since_ns(self, max_age_s: float | None) -> float:
        """Return when the call for a snapshot that is young enough now must have begun."""
        return -math.inf if max_age_s is None else self.clock_ns() - max_age_s * 1e9

    def invalidate(self, since_ns: int) -> None:
        """Treat snapshots that were requested before a change as out of date."""
        self.epoch_ns = max(self.epoch_ns, since_ns)

    def key_of(self, caller: Caller) -> str:
        """Return the key of the caller's snapshot: an HMAC, which reveals nothing."""
        return caller.digest(self.secret, self.upstream_url.encode())

    def owner_of(self, caller: Caller) -> str:
        """Return a digest that names the share of a user of this SuperOffice."""
        return caller.owner(self.upstream_url.encode())

    def _shared_key(self, key: str, caller: Caller) -> SharedKey:
        """Return the key of a caller's data in the shared cache."""
        secret = hmac.digest(self.secret, b"sealing", "sha256")
        return SharedKey(key, bytes.fromhex(caller.digest(secret, self.upstream_url.encode())))

    def _rejection(self, caller: Caller) -> SharedKey:
        """Return the key of the last rejection of the caller's credentials."""
        credentials = caller.credentials()
        return self._shared_key(f"{self.key_of(credentials)}:revoked", credentials)

    def _hit(self, snapshot: Snapshot | None) -> Served | None:
        return None if snapshot is None else self._served(snapshot, "hit", "miss")

    def _served(self, snapshot: Snapshot, how: How, fwd: Forwarded) -> Served:
        return Served(snapshot, how, fwd, self.windows, self.clock_ns, self.epoch_ns)

    async def _stale(self, request: _Request, failure: UpstreamError) -> Served | None:
        """Return a stale snapshot to serve instead of the failure, if there is one."""
        if not self.windows.if_error_s:
            return None
        caller, latest = request.caller, await self.cache.get(request.key)
        if latest is None and self.shared is not None:
            found = await self.shared.get(self._shared_key(request.key, caller))
            if found is not None:
                latest = await self._assemble(caller, self._stored(found), "shared", 0)
        older = self._hit(latest)
        if older is None or not older.may_stand_in(failure, request.max_age_s):
            return None
        return None if await self._is_rejected_since(older, caller) else older

    async def _fly(self, request: _Request) -> Snapshot:
        """Fetch a new snapshot, in the task of a flight."""
        POLL.set(poll := Poll() if request.is_poll else None)
        if poll is not None:
            self._polls[request.key] = poll
        owner = self.owner_of(request.caller)
        with self.bodies.hold(owner):
            return await self._fetch_and_cache(request, owner)

    async def _fetch_and_cache(self, request: _Request, owner: str) -> Snapshot:
        try:
            if self.shared is None or not self.windows.ttl_s:
                _, snapshot = await self._call(request)
            else:
                snapshot = await self._fetch_once(self.shared, request)
        except UpstreamRejectionError:
            await self.cache.delete(request.key)
            has_stale = self.windows.while_revalidate_s or self.windows.if_error_s
            shared_s = self.windows.cached_s if has_stale else 0
            rejection = self._rejection(request.caller)
            now_ns = self.clock_ns()
            await self.rejections.note(rejection, now_ns, shared_s=shared_s, is_owed=True)
            raise
        except UpstreamError as exc:
            # Calls that were not made are frequent, and the log has the reason already.
            level = logging.WARNING if exc.call_was_made else logging.DEBUG
            logger.log(level, "A REST call failed: %s", described(exc))
            raise
        if self.windows.ttl_s:
            await self.cache.set(request.key, snapshot, ttl=self.windows.cached_s, owner=owner)
        return snapshot

    async def _fetch_once(self, shared: SharedCache, request: _Request) -> Snapshot:
        """Call SuperOffice and share the answer, or use the answer to another process."""
        started, shared_key = time.perf_counter(), self._shared_key(request.key, request.caller)
        # A rejection during an outage of Redis has not deleted the entry.
        rejected_ns = self.rejected_ns(request.caller)
        oldest_ns = max(self.epoch_ns, request.since_ns, rejected_ns + 1)

        def usable(found: Found) -> Stored | None:
            stored = self._stored(found)
            is_recent = stored.requested_ns >= oldest_ns
            return stored if is_recent and found.age_s < ttl_s else None

        since_change_s, ttl_s = (self.clock_ns() - self.epoch_ns) / 1e9, self.windows.ttl_s
        max_age_s = ttl_s if request.max_age_s is None else request.max_age_s
        oldest_s = min(ttl_s, since_change_s, max_age_s)
        try:
            async with leased(shared, shared_key, usable=usable, oldest_s=oldest_s) as mine:
                if mine.found is not None:
                    took_s = time.perf_counter() - started
                    return await self._assemble(request.caller, mine.found, "shared", took_s)
                try:
                    stored, snapshot = await self._call(request)
                except UpstreamRejectionError:
                    await shared.forget(shared_key, self.windows.cached_s)
                    raise
                age_s = (self.clock_ns() - stored.fetched_ns) / 1e9
                await mine.store(stored.to_bytes(), ttl_s=self.windows.cached_s, age_s=age_s)
                return snapshot
        except TimeoutError as exc:
            message = "SuperOffice did not answer another process in time."
            raise UpstreamTimeoutError(message) from exc

    def _stored(self, found: Found) -> Stored:
        return Stored.from_bytes(found.content, self.clock_ns() - round(found.age_s * 1e9))

    async def _call(self, request: _Request) -> tuple[Stored, Snapshot]:
        started, requested_ns = time.perf_counter(), self.clock_ns()
        self.epoch_ns = min(self.epoch_ns, requested_ns)  # the clock may have been set back
        body = await self.fetch(request.caller, request.trace)
        stored = Stored(body, requested_ns, self.clock_ns())
        took_s = time.perf_counter() - started
        return stored, await self._assemble(request.caller, stored, "upstream", took_s)

    def _assemble(
        self, caller: Caller, stored: Stored, origin: Origin, fetch_s: float
    ) -> Awaitable[Snapshot]:
        # With `SO-TimeZone` the zone is unknown: a server may convert its times, or ignore it.
        has_own = any(name == b"so-timezone" for name, _ in caller.headers)
        zone = None if has_own else self.time_zone
        return assemble(stored, self.decode, self.complete, zone, origin=origin, fetch_s=fetch_s)

    async def _is_rejected_since(self, older: Served, caller: Caller) -> bool:
        rejection, since_ns = self._rejection(caller), older.snapshot.requested_ns
        return await self.rejections.is_noted(rejection, self.clock_ns(), since_ns=since_ns)
