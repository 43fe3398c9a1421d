"""REST calls for many tenants: to each one's current address, over connections of its own."""

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from cachetools import LRUCache

from gateway.caller import Caller
from gateway.errors import (
    GatewayError,
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamError,
    UpstreamMisdirectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
    described,
)
from gateway.headers import Header
from gateway.sessions.fetching import Fetch
from gateway.store.single_flight import Flights
from gateway.tenants.state_service import StateService, TenantState

logger = logging.getLogger(__name__)

MOST_TENANTS = 1_000

_SHORTEST_S = 60
_LONGEST_S = 3_600
_REFRESHED_AT = 0.8  # of the time that a state is valid
_STALE_S = 3_600  # how much longer it is used while the state service fails
_PAUSE_S = 10  # between two requests to a state service that fails
_LEAST_APART_S = 1  # between any two requests about one tenant
_UNKNOWN = TenantNotFoundError(), 0.0  # expired, so the state service is called
_USES = itertools.count(1)


class Client(NamedTuple):
    """Makes REST calls to one address; close it with `aclose`."""

    fetch: Fetch
    aclose: Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Tenant:
    """A running tenant at one address, with its client; times are by `TenantCalls.clock`."""

    state: TenantState
    client: Client
    read_at: float = 0
    refresh_at: float = 0
    valid_until: float = 0
    stale_until: float = 0
    calls: int = 0
    """How many are in progress."""

    last_use: int = 0
    """The number, among those of all tenants, of the last call that SuperOffice accepted."""

    is_gone: bool = False

    def renew(self, state: TenantState, now: float) -> None:
        """Note a state that was read now."""
        valid_s = min(max(state.valid_s, _SHORTEST_S), _LONGEST_S)
        self.state, self.read_at = state, now
        self.refresh_at, self.valid_until = now + valid_s * _REFRESHED_AT, now + valid_s
        self.stale_until = self.valid_until + _STALE_S

    async def call(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Make a call."""
        self.calls += 1
        try:
            body = await self.client.fetch(caller, trace)
            self.last_use = next(_USES)
            return body
        finally:
            self.calls -= 1
            await self._close_if_idle()

    async def leave(self) -> None:
        """Close the connections, now or after the last call in progress."""
        self.is_gone = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self.is_gone and not self.calls:
            await self.client.aclose()


@dataclass(slots=True, repr=False)
class TenantCalls:
    """Keeps the state and a client of `MOST_TENANTS` tenants.

    The one that is dropped for another is that whose last accepted call is the longest ago. So
    guessed names of tenants, whose callers SuperOffice does not accept, evict each other first.

    A state is valid until its `ValidUntil`, but for a minute at least and for an hour at most. In
    the last fifth of that time it is refreshed in the background, so that a tenant in use waits for
    the state service once. While the service fails, or answers 404, the last state is used for
    another hour.

    Tenants that do not exist, or do not run, are cached for a minute, in a cache of their own.

    Each tenant has its own client, so that a slow one delays no other. It is closed when its tenant
    has moved or is dropped; its calls in progress are finished first. Close all with `aclose`.
    """

    service: StateService
    client_for: Callable[[str], Client]
    clock: Callable[[], float] = time.monotonic
    lookups: Counter[str] = field(default_factory=Counter)
    """Calls of the state service by outcome: `ok`, `not_running`, or the code of a failure.

    A tenant that does not exist is not running, but a 404 for one in use is a failure.
    """

    _silent_until: float = 0
    """Until when no failure is logged: all tenants in use have the same."""

    _running: dict[str, Tenant] = field(default_factory=dict)
    _refused: LRUCache[str, tuple[GatewayError, float]] = field(
        default_factory=lambda: LRUCache(MOST_TENANTS)
    )
    """The errors for tenants, and until when they hold."""

    _flights: Flights[Tenant | GatewayError] = field(default_factory=Flights)

    async def fetch(self, tenant: str, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Make a tenant's call; if the tenant has moved and time is left, again at its new address.

        Raises:
            TenantNotFoundError: there is no such tenant.
            UpstreamError: the tenant is not running, its address is unknown, or the call failed.
        """
        timeout_s = self.service.settings.upstream_timeout
        ends_at = asyncio.get_running_loop().time() + timeout_s
        known = await self.find(tenant)
        try:
            return await known.call(caller, trace)
        except UpstreamMisdirectedError:
            try:
                async with asyncio.timeout_at(ends_at):
                    moved = await self.find_moved(tenant, known)
                    if moved is known:
                        raise
                    return await moved.call(caller, trace)
            except TimeoutError as exc:
                message = f"SuperOffice did not answer within {timeout_s:g} seconds."
                raise UpstreamTimeoutError(message) from exc
        except (UpstreamUnavailableError, UpstreamTimeoutError):
            # The tenant may have moved.
            known.refresh_at = min(known.refresh_at, known.read_at + _PAUSE_S)
            raise

    async def find(self, tenant: str) -> Tenant:
        """Return a running tenant.

        Raises:
            TenantNotFoundError: there is no such tenant.
            TenantNotRunningError: it does not run.
            UpstreamError: the state service failed, and no earlier state is cached.
        """
        known, now = self._running.get(tenant), self.clock()
        if known is None or now >= known.valid_until:
            return await self._refreshed(tenant)
        if now >= known.refresh_at:
            self._flights.start(tenant, partial(self._read, tenant))
        return known

    async def find_moved(self, tenant: str, old: Tenant) -> Tenant:
        """Read again the state of a tenant that is no longer at its old address; raise as above."""
        if self._running.get(tenant) is not old:
            return await self.find(tenant)
        is_due = self.clock() - old.read_at >= _LEAST_APART_S
        return await self._refreshed(tenant) if is_due else old

    async def aclose(self) -> None:
        """Cancel the requests in progress, and close all connections."""
        await self._flights.cancel()
        for known in self._running.values():
            await known.leave()
        await self.service.aclose()

    async def _refreshed(self, tenant: str) -> Tenant:
        outcome: Tenant | GatewayError
        outcome, until = self._refused.get(tenant, _UNKNOWN)
        if self.clock() >= until:
            outcome = await self._flights.join(tenant, partial(self._read, tenant))
        if isinstance(outcome, GatewayError):
            raise outcome.with_traceback(None)
        # Another tenant may have evicted it before this task was resumed.
        return await self.find(tenant) if outcome.is_gone else outcome

    async def _read(self, tenant: str) -> Tenant | GatewayError:
        try:
            state = await self.service.read(tenant, is_known=tenant in self._running)
        except (TenantNotFoundError, UpstreamError) as exc:
            last, now = self._running.get(tenant), self.clock()
            is_stopped = isinstance(exc, TenantNotRunningError)
            # A 404 may come from a proxy, and a host refuses the callers of a tenant that has gone.
            if last is not None and now < last.stale_until and not is_stopped:
                self.lookups[exc.code] += 1
                if now >= self._silent_until:
                    self._silent_until = now + _PAUSE_S
                    logger.warning("The last known state of %s is used: %s", tenant, exc)
                last.read_at, last.refresh_at = now, now + _PAUSE_S
                last.valid_until = last.stale_until
                return last
            is_final = is_stopped or isinstance(exc, TenantNotFoundError)
            was_made = isinstance(exc, TenantNotFoundError) or exc.call_was_made
            self.lookups["not_running" if is_final else exc.code] += was_made
            self._refused[tenant] = exc, now + (_SHORTEST_S if is_final else _LEAST_APART_S)
            if isinstance(exc, UpstreamError):
                level = logging.WARNING if was_made else logging.DEBUG
                logger.log(level, "A REST call failed: %s", described(exc))
                exc.call_was_made = False  # no REST call was, and those who get it log it no more
            if last is not None:
                del self._running[tenant]
                await last.leave()
            return exc
        self.lookups["ok"] += 1
        last = self._running.get(tenant)
        if last is not None and last.state.url == state.url:
            last.renew(state, self.clock())
            return last
        made = Tenant(state, self.client_for(state.url), last_use=last.last_use if last else 0)
        made.renew(state, self.clock())
        if last is None and len(self._running) >= MOST_TENANTS:
            least_used = min(self._running, key=lambda name: self._running[name].last_use)
            last = self._running.pop(least_used)
        self._running[tenant] = made
        if last is not None:
            await last.leave()
        return made
