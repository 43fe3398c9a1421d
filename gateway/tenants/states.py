"""What is known of tenants: asked for once, kept for a while, asked for again in time."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import (
    GatewayError,
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamError,
)
from gateway.store.single_flight import Flights
from gateway.tenants.state_service import TenantState

__all__ = ["MOST_TENANTS", "TenantStates"]

logger = logging.getLogger(__name__)

MOST_TENANTS = 1_000

_SHORTEST_S = 60
_LONGEST_S = 3_600
_REFRESHED_AT = 0.8  # of the time that a state is good for
_STALE_S = 3_600  # how much longer it will do while the service does not answer
_PAUSE_S = 10  # between the questions to a service that does not answer
_LEAST_APART_S = 1  # between any two questions about one tenant


class Service(Protocol):
    """Tells the state of tenants."""

    async def read(self, tenant: str) -> TenantState:
        """Ask for the state of one, which the service may not know, or may not tell."""

    async def aclose(self) -> None:
        """Close the connections."""


@dataclass(slots=True)
class _Kept:
    tenant: str
    outcome: TenantState | GatewayError
    read_at: float
    refresh_at: float
    good_until: float
    stale_until: float

    def state(self) -> TenantState:
        if isinstance(self.outcome, GatewayError):
            raise self.outcome.with_traceback(None)
        if self.outcome.url is None:
            raise TenantNotRunningError(self.tenant, self.outcome.name)
        return self.outcome


class TenantStates:
    """Knows where tenants are, `MOST_TENANTS` of them; whoever was not asked for goes first.

    A state is good until its `ValidUntil`, but for a minute at least and for an hour at most. The
    last fifth of that time refreshes it in the background, so that a tenant in use waits for the
    service once. While the service fails, the last state will do for another hour.

    Tenants that there are not, or that do not run, are kept for a minute, and apart: guessing names
    neither reaches the service twice nor drives out a tenant in use.
    """

    def __init__(self, service: Service, *, clock: Callable[[], float] = time.time) -> None:
        self._service = service
        self._clock = clock
        self._running: OrderedDict[str, _Kept] = OrderedDict()
        self._refused: OrderedDict[str, _Kept] = OrderedDict()
        self._flights: Flights[_Kept] = Flights()
        self._refreshes: set[asyncio.Task[_Kept]] = set()

    async def find(self, tenant: str) -> TenantState:
        """Return the state of a tenant that runs.

        Raises:
            TenantNotFoundError: there is no such tenant.
            TenantNotRunningError: it does not run.
            UpstreamError: the state service failed, and nothing is known from before.
        """
        kept = self._look_up(tenant)
        now = self._clock()
        if kept is None or now >= kept.good_until:
            kept = await self._renewed(tenant)
        elif now >= kept.refresh_at and tenant not in self._flights:
            refresh = asyncio.create_task(self._renewed(tenant))
            self._refreshes.add(refresh)
            refresh.add_done_callback(self._refreshes.discard)
        return kept.state()

    async def find_moved(self, tenant: str, old: TenantState) -> TenantState:
        """Return the state of a tenant that is not where `old` says, asking again for it.

        Raises:
            TenantNotFoundError: there is no such tenant any more.
            TenantNotRunningError: it does not run any more.
        """
        kept = self._look_up(tenant)
        if kept is None or (kept.outcome is old and self._clock() - kept.read_at >= _LEAST_APART_S):
            kept = await self._renewed(tenant)
        return kept.state()

    def doubt(self, tenant: str) -> None:
        """Have the state read again soon: nothing answers where it says, so it may have changed."""
        kept = self._running.get(tenant)
        if kept is not None:
            kept.refresh_at = min(kept.refresh_at, kept.read_at + _PAUSE_S)

    async def aclose(self) -> None:
        """Give up what is being asked, and close the service's connections."""
        await self._flights.cancel()
        await self._service.aclose()

    def _look_up(self, tenant: str) -> _Kept | None:
        for known in (self._running, self._refused):
            if tenant in known:
                known.move_to_end(tenant)
                return known[tenant]
        return None

    async def _renewed(self, tenant: str) -> _Kept:
        return await self._flights.join(tenant, lambda: self._ask(tenant))

    async def _ask(self, tenant: str) -> _Kept:
        outcome: TenantState | GatewayError
        try:
            outcome = await self._service.read(tenant)
        except TenantNotFoundError as exc:
            outcome = exc
        except UpstreamError as exc:
            known = self._running.get(tenant)
            if known is not None and self._clock() < known.stale_until:
                logger.warning("What was known of a tenant has to do: %s", exc)
                known.read_at = self._clock()
                known.refresh_at = known.read_at + _PAUSE_S
                known.good_until = known.stale_until
                return known
            outcome = exc
        return self._keep(tenant, outcome)

    def _keep(self, tenant: str, outcome: TenantState | GatewayError) -> _Kept:
        now = self._clock()
        into, other, refreshed_at = self._refused, self._running, 1.0
        match outcome:
            case TenantState(url=str()):
                good_for_s = min(max(outcome.valid_until_s - now, _SHORTEST_S), _LONGEST_S)
                into, other, refreshed_at = self._running, self._refused, _REFRESHED_AT
            case UpstreamError():
                good_for_s = _LEAST_APART_S
            case _:
                good_for_s = _SHORTEST_S
        kept = _Kept(
            tenant,
            outcome,
            read_at=now,
            refresh_at=now + good_for_s * refreshed_at,
            good_until=now + good_for_s,
            stale_until=now + good_for_s + _STALE_S,
        )
        other.pop(tenant, None)
        into[tenant] = kept
        into.move_to_end(tenant)
        if len(into) > MOST_TENANTS:
            into.popitem(last=False)
        return kept
