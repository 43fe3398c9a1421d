"""The checks of `gateway doctor`, in their order."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from gateway.commands.doctor import machine, servers
from gateway.commands.doctor.finding import Finding
from gateway.errors import GatewayError
from gateway.headers import Header
from gateway.settings import Settings
from gateway.settings.tenant_names import canonical_tenant
from gateway.tenants.state_service import StateService
from gateway.upstream.transport import PooledTransport


async def examine(
    settings: Settings, headers: Sequence[Header], tenant: str | None
) -> list[Finding]:
    """Check the settings, this machine, Redis, the network and SuperOffice.

    With a caller's `headers`, make one real call.
    """
    findings = [Finding("settings", "warn", text) for text in settings.warnings]
    findings += [*machine.ports(settings), machine.open_files(settings)]
    if settings.redis_url is not None:
        findings.append(await machine.shared_cache(settings.redis_url))
    async with PooledTransport(settings) as connections:
        return findings + await _superoffice(connections, settings, headers, tenant)


async def _superoffice(
    network: PooledTransport, settings: Settings, headers: Sequence[Header], tenant: str | None
) -> list[Finding]:
    url, timeout_s = settings.address, settings.upstream_connect_timeout
    findings = await servers.reach(network.route, url, timeout_s=timeout_s)
    if settings.environment is not None:
        if tenant is None or findings[-1].level == "fail":
            return findings
        tenant_url, finding = await _tenant(network, settings, tenant)
        findings.append(finding)
        if tenant_url is None:
            return findings
        url = tenant_url
        findings += await servers.reach(network.route, url, timeout_s=timeout_s)
    if findings[-1].level == "fail":
        return findings
    findings += await servers.answer(network, url, timeout_s=settings.upstream_timeout)
    if headers:
        findings += await servers.call(network, settings, url, headers)
    return findings


async def _tenant(
    network: PooledTransport, settings: Settings, tenant: str
) -> tuple[str | None, Finding]:
    name = canonical_tenant(tenant)
    if name is None:
        found, advice = f"{tenant} is not a tenant's name", "write it like Cust12345"
        return None, Finding("tenant", "fail", found, advice)
    if settings.tenants is not None and name not in settings.tenants:
        return None, Finding("tenant", "fail", f"{name} is not served", "add it to GATEWAY_TENANTS")
    try:
        state = await StateService(settings, network).read(name)
    except GatewayError as exc:
        return None, Finding("tenant", "fail", str(exc))
    host = urlsplit(state.url).hostname
    return state.url, Finding("tenant", "ok", f"{name} is {state.name}, at {host}")
