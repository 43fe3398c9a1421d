"""REST calls for many tenants: each over its own connections, to the tenant's current address."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from cachetools import LRUCache

from gateway.errors import UpstreamMisdirectedError, UpstreamTimeoutError, UpstreamUnavailableError
from gateway.headers import Header
from gateway.tenants.states import MOST_TENANTS, TenantStates


class Client(NamedTuple):
    """The calls to the REST API at one address."""

    fetch: Callable[[Sequence[Header]], Awaitable[bytes]]
    aclose: Callable[[], Awaitable[None]]


class TenantCalls:
    """Keeps one client per tenant, so that a slow one delays no other; close it with `aclose`.

    A client is closed when its tenant has moved, or when `MOST_TENANTS` others were used since;
    its calls in progress are finished first.
    """

    def __init__(self, states: TenantStates, client_for: Callable[[str], Client]) -> None:
        self._states = states
        self._client_for = client_for
        self._clients: LRUCache[str, _CountedClient] = LRUCache(MOST_TENANTS)

    async def fetch(self, tenant: str, headers: Sequence[Header]) -> bytes:
        """Make a tenant's call; if the tenant has moved, once more at its new address.

        Raises:
            TenantNotFoundError: there is no such tenant.
            UpstreamError: the tenant is not running, its address is unknown, or the call failed.
        """
        state = await self._states.find(tenant)
        try:
            return await self._call(tenant, state.url, headers)
        except UpstreamMisdirectedError:
            moved = await self._states.find_moved(tenant, state)
            if moved.url == state.url:
                raise
        except (UpstreamUnavailableError, UpstreamTimeoutError):
            self._states.doubt(tenant)
            raise
        return await self._call(tenant, moved.url, headers)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.retire()
        await self._states.aclose()

    async def _call(self, tenant: str, url: str, headers: Sequence[Header]) -> bytes:
        client, retired = self._clients.get(tenant), None
        if client is None or client.url != url:
            if client is not None:
                retired = client
            elif len(self._clients) >= self._clients.maxsize:
                _, retired = self._clients.popitem()
            client = self._clients[tenant] = _CountedClient(url, self._client_for(url))
        try:
            return await client.fetch(headers)
        finally:
            if retired is not None:
                await retired.retire()


class _CountedClient:
    """A client, and the number of its calls in progress."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self._client = client
        self._calls = 0
        self._is_retired = False

    async def fetch(self, headers: Sequence[Header]) -> bytes:
        self._calls += 1
        try:
            return await self._client.fetch(headers)
        finally:
            self._calls -= 1
            await self._close_if_idle()

    async def retire(self) -> None:
        """Close it, now or after the last call."""
        self._is_retired = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self._is_retired and not self._calls:
            await self._client.aclose()
