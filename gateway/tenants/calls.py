"""REST calls for many tenants: to each one's current address, over connections of its own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from cachetools import LRUCache

from gateway.caller import Caller
from gateway.errors import UpstreamMisdirectedError, UpstreamTimeoutError, UpstreamUnavailableError
from gateway.headers import Header
from gateway.sessions.source import Fetch
from gateway.tenants.states import MOST_TENANTS, TenantStates


@dataclass(slots=True, eq=False)
class Client:
    """Makes REST calls to one address, and counts those in progress."""

    url: str
    fetch: Fetch
    aclose: Callable[[], Awaitable[None]]
    calls: int = 0
    is_retired: bool = False

    async def call(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Make a call."""
        self.calls += 1
        try:
            return await self.fetch(caller, trace)
        finally:
            self.calls -= 1
            await self._close_if_idle()

    async def retire(self) -> None:
        """Close the connections, now or after the last call in progress."""
        self.is_retired = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self.is_retired and not self.calls:
            await self.aclose()


@dataclass(slots=True, repr=False)
class TenantCalls:
    """Keeps one client per tenant, so that a slow tenant delays no other; close with `aclose`.

    A client is closed when its tenant has moved, or when `MOST_TENANTS` others were used since;
    its calls in progress are finished first.
    """

    states: TenantStates
    client_for: Callable[[str], Client]
    _clients: LRUCache[str, Client] = field(default_factory=lambda: LRUCache(MOST_TENANTS))

    async def fetch(self, tenant: str, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Make a tenant's call; if the tenant has moved, once more at its new address.

        Raises:
            TenantNotFoundError: there is no such tenant.
            UpstreamError: the tenant is not running, its address is unknown, or the call failed.
        """
        state = await self.states.find(tenant)
        try:
            return await self._call(tenant, state.url, caller, trace)
        except UpstreamMisdirectedError:
            moved = await self.states.find_moved(tenant, state)
            if moved.url == state.url:
                raise
        except (UpstreamUnavailableError, UpstreamTimeoutError):
            self.states.refresh_soon(tenant)
            raise
        return await self._call(tenant, moved.url, caller, trace)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.retire()
        await self.states.aclose()

    async def _call(self, tenant: str, url: str, caller: Caller, trace: Sequence[Header]) -> bytes:
        client, retired = self._clients.get(tenant), None
        if client is None or client.url != url:
            retired = client
            if client is None and len(self._clients) >= self._clients.maxsize:
                _, retired = self._clients.popitem()
            client = self._clients[tenant] = self.client_for(url)
        try:
            return await client.call(caller, trace)
        finally:
            if retired is not None:
                await retired.retire()
