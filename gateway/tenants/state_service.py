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
import time
from codecs import BOM_UTF8
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx
import msgspec

from gateway.caller import STRANGERS
from gateway.errors import (
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamBadResponseError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.records.dates import UTC, nanoseconds
from gateway.settings import Settings
from gateway.settings.tenant_names import canonical_tenant
from gateway.upstream.body import read_body
from gateway.upstream.client import CALLS_WAITING
from gateway.upstream.gate import Gate

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Connection": "close",  # requests are rare: it would be closed before the next one
    "User-Agent": "superoffice-chat-gateway",
}
_LARGEST_ANSWER = 64 * 2**10
_LONGEST_WAIT_S = 5

# No user, no other port, no other path, no query.
_ADDRESS = re.compile(
    r"https://(?P<host>[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+)(?::443)?"
    r"/(?P<tenant>[a-z0-9]+)(?:/api)?/?",
    re.ASCII | re.IGNORECASE,
)
# The documented states: clients see no other text.
_STATES = (
    "Provisioning Running Deleted Suspended OnlineMaintenance OfflineMaintenance "
    "ProvisioningFailed Deleting DeleteFailed MigrationPending"
)


@dataclass(frozen=True, slots=True)
class TenantState:
    """The state of a running tenant."""

    name: str
    """Usually `Running`; `Unknown` for an undocumented state."""

    url: str
    """The part of its addresses before `/api/v1`."""

    valid_s: float
    """How many seconds from now the state is valid; negative if it has expired, or is unknown."""


class _Answer(msgspec.Struct, rename="pascal"):
    context_identifier: str
    is_running: bool
    state: object = None  # no call depends on this, nor on the next: they may be invalid
    valid_until: object = None
    api: str | None = None
    endpoint: str | None = None


_DECODER = msgspec.json.Decoder(_Answer)


@dataclass(slots=True, repr=False)
class StateService:
    """Calls an environment's state service; close it with `aclose`.

    Anybody can name tenants, so new names have one share together, that of strangers. A known
    tenant has a share of its own.
    """

    settings: Settings
    transport: httpx.AsyncBaseTransport
    clock: Callable[[], float] = time.time
    _turns: Gate = field(init=False)

    def __post_init__(self) -> None:
        """Allow as many calls at once as there are connections."""
        self._turns = Gate(slots=self.settings.upstream_connections, queue=CALLS_WAITING)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    async def read(self, tenant: str, *, is_known: bool = False) -> TenantState:
        """Read the state of a tenant, by its canonical name.

        Raises:
            TenantNotFoundError: the service knows no such tenant.
            TenantNotRunningError: it does not run.
            UpstreamError: the service cannot be reached or is too slow, or its answer is invalid.
        """
        address = f"the address of {tenant}"
        timeout_s = min(self.settings.upstream_timeout, _LONGEST_WAIT_S)
        share, has_begun = tenant if is_known else STRANGERS, False
        try:
            async with asyncio.timeout(timeout_s), self._turns.slot(share):
                has_begun = True
                body = await self._get(tenant, address)
            answer = _DECODER.decode(body.removeprefix(BOM_UTF8))
            if canonical_tenant(answer.context_identifier) != tenant:
                raise ValueError("this is another tenant")
        except TimeoutError as exc:
            message = f"SuperOffice did not send {address} in time."
            raise UpstreamTimeoutError(message, call_was_made=has_begun) from exc
        except (httpx.TransportError, ssl.SSLError) as exc:
            raise UpstreamUnavailableError(f"SuperOffice cannot be reached for {address}.") from exc
        except (UpstreamBadResponseError, ValueError, RecursionError) as exc:
            message = f"SuperOffice sent an invalid answer about {address}."
            raise UpstreamBadResponseError(message) from exc
        name = answer.state if answer.state in _STATES.split() else "Unknown"
        if not answer.is_running:
            raise TenantNotRunningError(tenant, name)
        url = self._trusted(tenant, answer.api or answer.endpoint)
        return TenantState(name, url, self._valid_s(answer.valid_until))

    async def _get(self, tenant: str, address: str) -> bytes:
        url = f"{self.settings.address}/api/state/{tenant}"
        request = httpx.Request("GET", url, headers=_HEADERS)
        response = await self.transport.handle_async_request(request)
        async with aclosing(response):
            if response.status_code == httpx.codes.NOT_FOUND:
                raise TenantNotFoundError
            if response.status_code != httpx.codes.OK:
                raise UpstreamUnavailableError(f"SuperOffice cannot send {address} now.")
            return await read_body(response, max_bytes=_LARGEST_ANSWER)

    def _valid_s(self, valid_until: object) -> float:
        try:
            return nanoseconds(str(valid_until), UTC) / 1e9 - self.clock()
        except ValueError:
            return -1

    def _trusted(self, tenant: str, address: str | None) -> str:
        match = _ADDRESS.fullmatch(address or "")
        host = match["host"].lower() if match else ""
        is_trusted = any(f".{host}".endswith(f".{domain}") for domain in self.settings.tenant_hosts)
        if not match or not is_trusted or canonical_tenant(match["tenant"]) != tenant:
            message = f"SuperOffice names an address for {tenant} that is not trusted."
            why = f"{address!r:.200} is in no domain of GATEWAY_TENANT_HOSTS, or has another form."
            raise UpstreamBadResponseError(message) from ValueError(why)
        return f"https://{host}/{tenant}"
