"""REST calls of many tenants: each over connections of its own, to where the tenant is now."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.errors import (
    UpstreamMisdirectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.headers import Header
from gateway.tenants.states import MOST_TENANTS, TenantStates

__all__ = ["Client", "TenantCalls"]


class Client(Protocol):
    """Calls REST at one address."""

    def fetch(self, headers: Sequence[Header]) -> Awaitable[bytes]:
        """Make the call with a caller's headers."""

    def aclose(self) -> Awaitable[None]:
        """Close the connections."""


class TenantCalls:
    """Keeps one client per tenant, so that a sick one holds up no other; close it with `aclose`.

    A client goes when its tenant has moved, or when `MOST_TENANTS` others were asked for since;
    what it has under way is finished first.
    """

    def __init__(self, states: TenantStates, client_for: Callable[[str], Client]) -> None:
        self._states = states
        self._client_for = client_for
        self._lines: OrderedDict[str, _Line] = OrderedDict()

    async def fetch(self, tenant: str, headers: Sequence[Header]) -> bytes:
        """Make a tenant's call; where the tenant has moved meanwhile, once more at its new address.

        Raises:
            TenantNotFoundError: there is no such tenant.
            UpstreamError: it does not run, or it is not known where, or its REST failed.
        """
        state = await self._states.find(tenant)
        try:
            return await self._call(tenant, str(state.url), headers)
        except UpstreamMisdirectedError:
            moved = await self._states.find_moved(tenant, state)
            if moved.url == state.url:
                raise
        except (UpstreamUnavailableError, UpstreamTimeoutError):
            self._states.doubt(tenant)
            raise
        return await self._call(tenant, str(moved.url), headers)

    async def aclose(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            await line.hang_up()
        await self._states.aclose()

    async def _call(self, tenant: str, url: str, headers: Sequence[Header]) -> bytes:
        line, left = self._lines.get(tenant), None
        if line is None or line.url != url:
            left, line = line, _Line(url, self._client_for(url))
            self._lines[tenant] = line
        self._lines.move_to_end(tenant)
        if len(self._lines) > MOST_TENANTS:
            _, left = self._lines.popitem(last=False)
        try:
            return await line.fetch(headers)
        finally:
            if left is not None:
                await left.hang_up()


class _Line:
    """A client, and how many wait for it."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self._client = client
        self._waiting = 0
        self._is_left = False

    async def fetch(self, headers: Sequence[Header]) -> bytes:
        self._waiting += 1
        try:
            return await self._client.fetch(headers)
        finally:
            self._waiting -= 1
            await self._close_if_idle()

    async def hang_up(self) -> None:
        self._is_left = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self._is_left and not self._waiting:
            await self._client.aclose()
