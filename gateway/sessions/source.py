"""A caller's sessions, from the cache or from the REST API."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from gateway.caller import Caller
from gateway.errors import UpstreamError
from gateway.headers import Header
from gateway.sessions.caller_rate import CallerRate
from gateway.sessions.fetching import Fetcher, Request
from gateway.sessions.freshness import Forwarded, How, Lookups, Served
from gateway.sessions.snapshot import Snapshot
from gateway.store.single_flight import Flights

_SHORTEST_AGE_S = 1.0
"""A lower bound for `Cache-Control`, so that requests with `no-cache` can share a REST call."""


@dataclass(slots=True, kw_only=True, eq=False)
class Source(Fetcher):
    """Serves each caller its own snapshot, no older than the windows allow.

    Concurrent requests of a caller share one fetch.
    """

    flights: Flights[Snapshot] = field(default_factory=Flights)
    lookups: Lookups = field(default_factory=Lookups)
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
            request = Request(caller, key, trace, max_age_s, since_ns, is_poll)
            if (served := await self._fetched(request, cached)) is not None:
                return served
            await asyncio.sleep(0)  # a flight that has just landed could still be joined

    async def _fetched(self, request: Request, cached: Served | None) -> Served | None:
        """Make or join a call; return its snapshot, or a stale one for as long as that is allowed.

        None: the joined call was made for another request, and its snapshot is too old for this.
        """
        key, call = request.key, partial(self.fetch_new, request)
        epoch_ns = max(self.epoch_ns, request.since_ns)
        fwd: Forwarded = "miss"
        if cached is not None:
            is_usable = cached.may_be_revalidated_later(request.max_age_s)
            if is_usable and not await self.is_rejected_since(cached, request.caller):
                self.flights.start(key, call)
                return msgspec.structs.replace(cached, is_stale=True)
            fwd = "request" if cached.left_s() > 0 else "stale"
        is_joined = key in self.flights
        if not request.is_poll and (poll := self.polls.get(key)) is not None:
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

    def _since_ns(self, max_age_s: float | None) -> float:
        """Return when the call for a snapshot that is young enough now must have begun."""
        return -math.inf if max_age_s is None else self.clock_ns() - max_age_s * 1e9

    def _hit(self, snapshot: Snapshot | None) -> Served | None:
        return None if snapshot is None else self._served(snapshot, "hit", "miss")

    def _served(self, snapshot: Snapshot, how: How, fwd: Forwarded) -> Served:
        return Served(snapshot, how, fwd, self.windows, self.clock_ns, self.epoch_ns)

    async def _stale(self, request: Request, failure: UpstreamError) -> Served | None:
        """Return a stale snapshot to serve instead of the failure, if there is one."""
        if not self.windows.if_error_s:
            return None
        caller, latest = request.caller, await self.cache.get(request.key)
        if latest is None and self.shared is not None:
            found = await self.shared.get(self.shared_key(request.key, caller))
            if found is not None:
                latest = await self.assembled(caller, self.stored(found), "shared", 0)
        older = self._hit(latest)
        if older is None or not older.may_stand_in(failure, request.max_age_s):
            return None
        return None if await self.is_rejected_since(older, caller) else older
