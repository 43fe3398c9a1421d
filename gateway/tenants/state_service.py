"""The address of a tenant of SuperOffice Online, and its state: `GET /api/state/{tenant}`.

    {"ContextIdentifier": "Cust12345", "Endpoint": "https://online3.superoffice.com:443/Cust12345",
     "State": "Running", "IsRunning": true, "ValidUntil": "2026-01-31T17:46:13.1234567Z",
     "Api": "https://online3.superoffice.com/Cust12345/api"}

Callers' credentials go to that address, so it is accepted only within the trusted domains, over
https, and in the documented form. The request carries no credentials.
Source: SuperOffice's developer portal, "Tenant status".
"""

import asyncio
import re
import ssl
from collections.abc import Collection
from dataclasses import dataclass

import httpx
import msgspec

from gateway.errors import (
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamBadResponseError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.records.dates import UTC, nanoseconds
from gateway.settings.tenant_names import canonical_tenant
from gateway.upstream.body import read_body

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Connection": "close",  # requests are rare: it would be closed before the next one
    "User-Agent": "superoffice-chat-gateway",
}
_LARGEST_ANSWER = 64 * 2**10
_LONGEST_WAIT_S = 5
_MOST_AT_ONCE = 8

# No user, no other port, no other path, no query.
_ADDRESS = re.compile(
    r"https://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::443)?/(?P<tenant>[a-z0-9]+)(?:/api)?/?",
    re.ASCII | re.IGNORECASE,
)
# The documented states: clients see no other text.
_STATES = (
    "Provisioning Running Deleted Suspended OnlineMaintenance OfflineMaintenance "
    "ProvisioningFailed Deleting DeleteFailed MigrationPending"
)


@dataclass(frozen=True, slots=True)
class TenantState:
    """The state of one tenant that runs."""

    name: str
    """`Running` most often; `Unknown` for an undocumented one."""

    url: str
    """The part of its addresses before `/api/v1`."""

    valid_until_s: float
    """When it expires, in seconds since 1970."""


class _Answer(msgspec.Struct, rename="pascal"):
    context_identifier: str
    state: str
    is_running: bool
    valid_until: str | None = None  # tenants that do not run may have none
    api: str | None = None
    endpoint: str | None = None


class StateService:
    """Calls an environment's state service, a few times at once; close it with `aclose`."""

    def __init__(
        self,
        *,
        url: str,
        trusted_domains: Collection[str],
        timeout_s: float,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        self._url = url
        self._trusted_domains = tuple(trusted_domains)
        self._timeout_s = min(timeout_s, _LONGEST_WAIT_S)
        self._transport = transport
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def read(self, tenant: str) -> TenantState:
        """Read the state of a tenant, by its canonical name.

        Raises:
            TenantNotFoundError: the service knows no such tenant.
            TenantNotRunningError: it does not run.
            UpstreamError: the service cannot be reached or is too slow, or its answer is invalid.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._turns:
                body = await self._get(tenant)
        except TimeoutError as exc:
            message = f"SuperOffice did not say in time where {tenant} is."
            raise UpstreamTimeoutError(message) from exc
        except UpstreamBadResponseError as exc:
            raise _nonsense(tenant) from exc
        return self._checked(tenant, body)

    async def _get(self, tenant: str) -> bytes:
        request = httpx.Request("GET", f"{self._url}/api/state/{tenant}", headers=_HEADERS)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise TenantNotFoundError
                if response.status_code != httpx.codes.OK:
                    message = f"SuperOffice does not say at the moment where {tenant} is."
                    raise UpstreamUnavailableError(message)
                return await read_body(response, max_bytes=_LARGEST_ANSWER)
            finally:
                await response.aclose()
        except (httpx.TransportError, ssl.SSLError) as exc:
            message = f"SuperOffice cannot be asked where {tenant} is."
            raise UpstreamUnavailableError(message) from exc

    def _checked(self, tenant: str, body: bytes) -> TenantState:
        try:
            answer = _DECODER.decode(body)
            valid_until_s = nanoseconds(answer.valid_until or _EXPIRED, UTC) / 1e9
        except (ValueError, RecursionError) as exc:
            raise _nonsense(tenant) from exc
        if canonical_tenant(answer.context_identifier) != tenant:
            raise _nonsense(tenant)
        name = answer.state if answer.state in _STATES.split() else "Unknown"
        if not answer.is_running:
            raise TenantNotRunningError(tenant, name)
        url = self._trusted(tenant, answer.api or answer.endpoint)
        return TenantState(name, url, valid_until_s)

    def _trusted(self, tenant: str, address: str | None) -> str:
        match = _ADDRESS.fullmatch(address or "")
        host = match["host"].lower() if match else ""
        is_trusted = any(f".{host}".endswith(f".{domain}") for domain in self._trusted_domains)
        if not match or not is_trusted or canonical_tenant(match["tenant"]) != tenant:
            message = f"SuperOffice names an address for {tenant} that is not to be trusted."
            raise UpstreamBadResponseError(message)
        return f"https://{host}/{tenant}"


_EXPIRED = "0001-01-01T00:00:00"
_DECODER = msgspec.json.Decoder(_Answer)


def _nonsense(tenant: str) -> UpstreamBadResponseError:
    return UpstreamBadResponseError(f"SuperOffice does not make sense about where {tenant} is.")
