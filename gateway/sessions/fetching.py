"""How a new snapshot is made: from the answer to another process, or by a REST call."""

import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import NamedTuple
from weakref import WeakValueDictionary

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamRejectionError, UpstreamTimeoutError, described
from gateway.headers import Header
from gateway.records.decode import Decode
from gateway.sessions.freshness import Served, Windows
from gateway.sessions.snapshot import Complete, Origin, Snapshot, Stored, assemble
from gateway.store.lease import leased
from gateway.store.memory import BoundedMemoryCache
from gateway.store.shared import Found, SharedCache, SharedKey
from gateway.store.shared_times import SharedTimes
from gateway.upstream.body_memory import BodyMemory
from gateway.upstream.budget import POLL, Poll

logger = logging.getLogger(__name__)

Fetch = Callable[[Caller, Sequence[Header]], Awaitable[bytes]]
"""Calls SuperOffice for a caller, within a trace; returns the body of a 200, decompressed."""


class Request(NamedTuple):
    """A request for a caller's snapshot, of an age that it accepts."""

    caller: Caller
    key: str
    trace: Sequence[Header]
    max_age_s: float | None
    since_ns: float
    """When the call for a snapshot that is young enough must have begun."""

    is_poll: bool


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class Fetcher:
    """Makes the snapshots of the callers of one SuperOffice.

    All processes that share a cache make one REST call for a caller at a time. Failures are not
    cached. When SuperOffice rejects a caller, its snapshot is deleted.
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

    epoch_ns: int = field(default=0, init=False)
    """The time of the last known change: snapshots requested before it are out of date."""

    bodies: BodyMemory = field(default_factory=BodyMemory)
    polls: WeakValueDictionary[str, Poll] = field(default_factory=WeakValueDictionary, init=False)
    """The polls that wait for a new snapshot, by key."""

    def key_of(self, caller: Caller) -> str:
        """Return the key of the caller's snapshot: an HMAC, which reveals nothing."""
        return caller.digest(self.secret, self.upstream_url.encode())

    def owner_of(self, caller: Caller) -> str:
        """Return a digest that names the share of a user of this SuperOffice."""
        return caller.owner(self.upstream_url.encode())

    def shared_key(self, key: str, caller: Caller) -> SharedKey:
        """Return the key of a caller's data in the shared cache."""
        secret = hmac.digest(self.secret, b"sealing", "sha256")
        return SharedKey(key, bytes.fromhex(caller.digest(secret, self.upstream_url.encode())))

    def _rejection(self, caller: Caller) -> SharedKey:
        """Return the key of the last rejection of the caller's credentials."""
        credentials = caller.credentials()
        return self.shared_key(f"{self.key_of(credentials)}:revoked", credentials)

    def invalidate(self, since_ns: int) -> None:
        """Treat snapshots that were requested before a change as out of date."""
        self.epoch_ns = max(self.epoch_ns, since_ns)

    def rejected_ns(self, caller: Caller) -> int:
        """Return when this process last saw the caller's credentials rejected; 0 for never."""
        return self.rejections.own_ns(self._rejection(caller))

    async def is_rejected_since(self, older: Served, caller: Caller) -> bool:
        """Return whether a process has seen the credentials rejected since a snapshot's call."""
        rejection, since_ns = self._rejection(caller), older.snapshot.requested_ns
        return await self.rejections.is_noted(rejection, self.clock_ns(), since_ns=since_ns)

    async def fetch_new(self, request: Request) -> Snapshot:
        """Make a new snapshot and cache it, in a task of its own.

        Raises:
            UpstreamError: SuperOffice sent no usable answer.
        """
        POLL.set(poll := Poll() if request.is_poll else None)
        if poll is not None:
            self.polls[request.key] = poll
        owner = self.owner_of(request.caller)
        with self.bodies.hold(owner):
            snapshot = await self._fetched_new(request)
            if self.windows.ttl_s:
                await self.cache.set(request.key, snapshot, ttl=self.windows.cached_s, owner=owner)
        return snapshot

    async def _fetched_new(self, request: Request) -> Snapshot:
        try:
            if self.shared is not None and self.windows.ttl_s:
                return await self._fetch_once(self.shared, request)
            _, snapshot = await self._call(request)
            return snapshot
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

    async def _fetch_once(self, shared: SharedCache, request: Request) -> Snapshot:
        """Call SuperOffice and share the answer, or use the answer to another process."""
        started, shared_key = time.perf_counter(), self.shared_key(request.key, request.caller)
        # A rejection during an outage of Redis has not deleted the entry.
        rejected_ns = self.rejected_ns(request.caller)
        oldest_ns = max(self.epoch_ns, request.since_ns, rejected_ns + 1)

        def usable(found: Found) -> Stored | None:
            stored = self.stored(found)
            is_recent = stored.requested_ns >= oldest_ns
            return stored if is_recent and found.age_s < ttl_s else None

        since_change_s, ttl_s = (self.clock_ns() - self.epoch_ns) / 1e9, self.windows.ttl_s
        max_age_s = ttl_s if request.max_age_s is None else request.max_age_s
        oldest_s = min(ttl_s, since_change_s, max_age_s)
        try:
            async with leased(shared, shared_key, usable=usable, oldest_s=oldest_s) as mine:
                if mine.found is not None:
                    took_s = time.perf_counter() - started
                    return await self.assembled(request.caller, mine.found, "shared", took_s)
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

    def stored(self, found: Found) -> Stored:
        """Return the answer in an entry of the shared cache."""
        return Stored.from_bytes(found.content, self.clock_ns() - round(found.age_s * 1e9))

    async def _call(self, request: Request) -> tuple[Stored, Snapshot]:
        started, requested_ns = time.perf_counter(), self.clock_ns()
        self.epoch_ns = min(self.epoch_ns, requested_ns)  # the clock may have been set back
        body = await self.fetch(request.caller, request.trace)
        stored = Stored(body, requested_ns, self.clock_ns())
        took_s = time.perf_counter() - started
        return stored, await self.assembled(request.caller, stored, "upstream", took_s)

    def assembled(
        self, caller: Caller, stored: Stored, origin: Origin, fetch_s: float
    ) -> Awaitable[Snapshot]:
        """Make a caller's snapshot."""
        # With `SO-TimeZone` the zone is unknown: a server may convert its times, or ignore it.
        has_own = any(name == b"so-timezone" for name, _ in caller.headers)
        zone = None if has_own else self.time_zone
        return assemble(stored, self.decode, self.complete, zone, origin=origin, fetch_s=fetch_s)
