"""The states of tenants: read once, cached, and refreshed before they expire."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cachetools import LRUCache

from gateway.errors import GatewayError, TenantNotFoundError, TenantNotRunningError, UpstreamError
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


@dataclass(slots=True)
class _Cached:
    outcome: TenantState | GatewayError
    read_at: float
    refresh_at: float
    valid_until: float
    stale_until: float

    def state(self) -> TenantState:
        if isinstance(self.outcome, GatewayError):
            raise self.outcome.with_traceback(None)
        return self.outcome


@dataclass(slots=True, repr=False)
class TenantStates:
    """Caches the states of `MOST_TENANTS` tenants; the least recently used is evicted first.

    A state is valid until its `ValidUntil`, but for a minute at least and for an hour at most. In
    the last fifth of that time it is refreshed in the background, so that a tenant in use waits for
    the state service once. While the service fails, the last state is used for another hour.

    Tenants that do not exist, or do not run, are cached for a minute, in a cache of their own:
    guessed names neither reach the service twice nor evict a tenant in use.
    """

    service: StateService
    clock: Callable[[], float] = time.time
    _running: LRUCache[str, _Cached] = field(default_factory=lambda: LRUCache(MOST_TENANTS))
    _refused: LRUCache[str, _Cached] = field(default_factory=lambda: LRUCache(MOST_TENANTS))
    _flights: Flights[_Cached] = field(default_factory=Flights)

    async def find(self, tenant: str) -> TenantState:
        """Return the state of a running tenant.

        Raises:
            TenantNotFoundError: there is no such tenant.
            TenantNotRunningError: it does not run.
            UpstreamError: the state service failed, and no earlier state is cached.
        """
        cached = self._look_up(tenant)
        now = self.clock()
        if cached is None or now >= cached.valid_until:
            cached = await self._refreshed(tenant)
        elif now >= cached.refresh_at:
            self._flights.start(tenant, partial(self._read, tenant))
        return cached.state()

    async def find_moved(self, tenant: str, old: TenantState) -> TenantState:
        """Read again the state of a tenant that is no longer at the address in `old`.

        Raises:
            TenantNotFoundError: there is no such tenant any more.
            TenantNotRunningError: it does not run any more.
        """
        cached = self._look_up(tenant)
        is_due = cached is None or self.clock() - cached.read_at >= _LEAST_APART_S
        if cached is None or (cached.outcome is old and is_due):
            cached = await self._refreshed(tenant)
        return cached.state()

    def refresh_soon(self, tenant: str) -> None:
        """Refresh a state soon: its address fails, so the tenant may have moved."""
        if cached := self._running.get(tenant):
            cached.refresh_at = min(cached.refresh_at, cached.read_at + _PAUSE_S)

    async def aclose(self) -> None:
        """Cancel the requests in progress, and close the service's connections."""
        await self._flights.cancel()
        await self.service.aclose()

    def _look_up(self, tenant: str) -> _Cached | None:
        return self._running.get(tenant) or self._refused.get(tenant)

    async def _refreshed(self, tenant: str) -> _Cached:
        return await self._flights.join(tenant, partial(self._read, tenant))

    async def _read(self, tenant: str) -> _Cached:
        try:
            outcome = await self.service.read(tenant)
        except (TenantNotFoundError, TenantNotRunningError) as exc:
            return self._refuse(tenant, exc, _SHORTEST_S)
        except UpstreamError as exc:
            last = self._running.get(tenant)
            if last is None or self.clock() >= last.stale_until:
                return self._refuse(tenant, exc, _LEAST_APART_S)
            logger.warning("The last known state of a tenant is used: %s", exc)
            last.read_at = self.clock()
            last.refresh_at = last.read_at + _PAUSE_S
            last.valid_until = last.stale_until
            return last
        now = self.clock()
        valid_s = min(max(outcome.valid_until_s - now, _SHORTEST_S), _LONGEST_S)
        cached = self._running[tenant] = _Cached(
            outcome, now, now + valid_s * _REFRESHED_AT, now + valid_s, now + valid_s + _STALE_S
        )
        return cached

    def _refuse(self, tenant: str, reason: GatewayError, valid_s: float) -> _Cached:
        self._running.pop(tenant, None)
        now = self.clock()
        until = now + valid_s
        cached = self._refused[tenant] = _Cached(reason, now, until, until, until)
        return cached
