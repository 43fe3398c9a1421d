"""Checks of servers: tenant, name, connection, TLS, and REST answers with or without a login."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.commands.doctor.finding import Failures, Finding, Level, connection_failures, failure
from gateway.dns import name_of
from gateway.errors import GatewayError
from gateway.headers import Header
from gateway.records.dates import has_zone
from gateway.records.record import valid
from gateway.schema.entities.chat_decoder import decode
from gateway.settings import Settings
from gateway.settings.settings import WITH_OFFSETS
from gateway.settings.tenant_names import canonical_tenant
from gateway.tenants.state_service import StateService
from gateway.upstream.client import PATH, UpstreamClient
from gateway.upstream.failures import ProxyError, http_date_s
from gateway.upstream.route import host_and_port, server_of
from gateway.upstream.transport import PooledTransport
from gateway.wiring.upstreams import caller_policy

_CHECK = "REST API"
_WRONG_PATH = "GATEWAY_UPSTREAM_URL must have everything that comes before /api/v1"
_MOVED = "the tenants of SuperOffice Online move: use GATEWAY_ENVIRONMENT, or with it, repeat this"
_UNEXPECTED = "expected 401: check proxies in between; is a client certificate missing?"
_FOLLOWS_NONE = "the gateway follows no redirects: use that address"
_LOGIN = "write http://user:password@host:port into GATEWAY_UPSTREAM_PROXY or HTTPS_PROXY"
_CLOCKS_APART_S = 30
_DAY_S = 86_400
_SOON_DAYS = 14

_CERTIFICATE = "GATEWAY_UPSTREAM_CLIENT_CERT"
_ANY_CONNECTION = connection_failures("http", "GATEWAY_UPSTREAM_CA_FILE", _CERTIFICATE)
_NAME_FAILURES: Failures = (
    (TimeoutError, "DNS does not answer about {host} → check this machine's DNS servers"),
    (Exception, "{host} is unknown → check its spelling, and that this machine's DNS knows it"),
)
_CONNECTION_FAILURES: Failures = (
    ("^proxy answers 40[17]", f"the {{reason}}: it requires a login that it accepts → {_LOGIN}"),
    ("^proxy answers 403", "the {reason}: it must not connect to {where} → ask its operator"),
    ("^proxy answers", "the {reason}: it cannot connect to {where} → ask its operator"),
    (ProxyError, "the {reason} → check GATEWAY_UPSTREAM_PROXY, HTTPS_PROXY and NO_PROXY"),
    *_ANY_CONNECTION,
    (Exception, "{where} cannot be reached → check the address and the network"),
)
_ANSWER_FAILURES: Failures = (
    (TimeoutError, "no answer within {timeout_s:g} seconds → try the address in a browser"),
    *_ANY_CONNECTION,  # after the handshake, httpx does not wrap them
    (httpx.ProtocolError, "the answer is not valid HTTP → check the port"),
    (Exception, f"the connection breaks: {{kind}} → check the port, and {_CERTIFICATE}"),
)


async def superoffice(
    network: PooledTransport, settings: Settings, headers: Sequence[Header], tenant: str | None
) -> list[Finding]:
    """Check the way to SuperOffice and its answer; with `headers`, make one real call."""
    url, timeout_s = settings.address, settings.upstream_connect_timeout
    findings = await reach(network, url, timeout_s=timeout_s)
    if settings.environment is not None:
        if tenant is None and headers:
            found, advice = "not made: it needs a tenant", "add --tenant, as in --tenant Cust12345"
            return [*findings, Finding("call", "fail", found, advice)]
        if findings[-1].level == "fail":
            return findings
        if tenant is None:
            names = sorted(settings.tenants or ())
            return findings + [(await _tenant(network, settings, name))[1] for name in names]
        tenant_url, finding = await _tenant(network, settings, tenant)
        findings.append(finding)
        if tenant_url is None:
            return findings
        url = tenant_url
        findings += await reach(network, url, timeout_s=timeout_s)
    if findings[-1].level == "fail":
        return findings
    findings += await answer(network, url, timeout_s=settings.upstream_timeout)
    if headers:
        findings += await call(network, settings, url, headers)
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
        return None, Finding("tenant", "fail", f"{name}: {exc} {exc.__cause__ or ''}".strip())
    host = urlsplit(state.url).hostname
    return state.url, Finding("tenant", "ok", f"{name} is {state.name}, at {host}")


async def reach(network: PooledTransport, address: str, *, timeout_s: float) -> list[Finding]:
    """Look up the server's name, or its proxy's, and connect; only the last finding can fail."""
    url = httpx.URL(address)
    proxy = network.route.proxy_for(url)
    host, port = host_and_port(proxy.url if proxy else url)
    findings = [Finding("route", "ok", f"through the proxy {host}:{port}")] if proxy else []
    findings.append(await _name(host, timeout_s))
    if findings[-1].level != "fail":
        findings.append(await _connection(network, url, timeout_s))
    return findings


async def _name(host: str, timeout_s: float) -> Finding:
    try:
        async with asyncio.timeout(timeout_s):
            addresses = await name_of(host, 0).addresses()
    except (OSError, UnicodeError) as exc:
        return failure("name", exc, _NAME_FAILURES, host=host)
    where = "is an address" if host in addresses else f"is at {', '.join(addresses)}"
    return Finding("name", "ok", f"{host} {where}")


async def _connection(network: PooledTransport, url: httpx.URL, timeout_s: float) -> Finding:
    check, where = "TLS" if url.scheme == "https" else "connection", server_of(url)
    try:
        async with asyncio.timeout(timeout_s):
            peer = await network.connect(url)
    except (OSError, ValueError) as exc:
        check = "proxy" if isinstance(exc, ProxyError) else check
        return failure(check, exc, _CONNECTION_FAILURES, where=where)
    return _certificate(peer) if peer else Finding(check, "ok", "is open, without TLS")


def _certificate(peer: ssl.SSLObject) -> Finding:
    certificate: Any = peer.getpeercert()  # its values have many types
    issuer = dict(pair for parts in certificate["issuer"] for pair in parts)
    name = issuer.get("organizationName") or issuer.get("commonName", "an issuer without a name")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // _DAY_S)
    found = f"{peer.version()}, certificate by {name}, valid for {days} days"
    if days < _SOON_DAYS:
        return Finding("TLS", "warn", found, "renew the certificate")
    return Finding("TLS", "ok", found)


async def answer(network: PooledTransport, url: str, *, timeout_s: float) -> list[Finding]:
    """Request the sessions without credentials; SuperOffice must answer 401."""
    started = time.perf_counter()
    request = httpx.Request("GET", url + PATH, headers={"Accept": "application/json"})
    try:
        async with asyncio.timeout(timeout_s):
            response = await network.handle_async_request(request)
            await response.aclose()
    except (httpx.TransportError, OSError) as exc:
        cause = exc.__cause__ and exc.__cause__.__cause__  # the cause of aiohttp's error
        error = cause if isinstance(cause, ssl.SSLError) else exc
        values = {"where": server_of(request.url), "timeout_s": timeout_s}
        return [failure(_CHECK, error, _ANSWER_FAILURES, kind=type(exc).__name__, **values)]
    return [_judged(response, (time.perf_counter() - started) * 1000), *_clock(response)]


def _judged(response: httpx.Response, took_ms: float) -> Finding:
    status = response.status_code
    kind = response.headers.get("content-type", "no type").partition(";")[0]
    seen = f"{response.http_version} {status}, {kind}, in {took_ms:.0f} ms"
    is_page = status == 200 and kind == "text/html"
    to = urlsplit(response.headers.get("location", ""))
    address = f"{to.scheme}://{to.netloc}" if to.netloc else "another path"
    meanings: tuple[tuple[bool, Level, str, str | None], ...] = (
        (status == 401, "ok", "requires credentials, as it should", None),
        (is_page, "fail", "a web page, perhaps the login page of a proxy", _WRONG_PATH),
        (status == 407, "fail", "the proxy requires a login that it accepts", _LOGIN),
        (status == 404, "fail", "not found", _WRONG_PATH),
        (status == 421, "fail", "the tenant is at another host", _MOVED),
        (response.is_redirect, "fail", f"redirects to {address}", _FOLLOWS_NONE),
        (status >= 500, "fail", "out of service", "wait, or ask its operator"),
        (True, "warn", "unexpected", _UNEXPECTED),
    )
    _, level, found, advice = next(meaning for meaning in meanings if meaning[0])
    return Finding(_CHECK, level, f"{seen}: {found}", advice)


def _clock(response: httpx.Response) -> list[Finding]:
    try:
        ahead_s = time.time() - http_date_s(response.headers.get("date", ""))
    except (ValueError, OverflowError):
        return []
    if abs(ahead_s) <= _CLOCKS_APART_S:
        return [Finding("clock", "ok", "this machine and SuperOffice have the same time")]
    way = "ahead of" if ahead_s > 0 else "behind"
    found = f"this machine's clock is {abs(ahead_s):.0f} s {way} SuperOffice's"
    return [Finding("clock", "warn", found, "synchronise it (NTP): wait times and tokens need it")]


async def call(
    network: PooledTransport, settings: Settings, url: str, headers: Sequence[Header]
) -> list[Finding]:
    """Make one call as the gateway does; report how much arrived, and whether times have a zone."""
    client = UpstreamClient(settings, url, network)
    started = time.perf_counter()
    try:
        caller = caller_policy(settings).read(headers)
        body = await client.fetch(caller)
        sessions = decode(body)
    except GatewayError as exc:
        return [Finding("call", "fail", f"{exc.code}: {exc}")]
    took_ms = (time.perf_counter() - started) * 1000
    found = f"{len(sessions)} sessions, {len(body)} bytes, in {took_ms:.0f} ms"
    times = [valid(session.when_requested) for session in sessions]
    sent = dict(caller.headers).get(b"so-timezone")
    return [Finding("call", "ok", found), _times([t for t in times if t], sent, settings)]


def _times(times: Sequence[str], sent: bytes | None, settings: Settings) -> Finding:
    """Return the finding about the zone of times, with its reason."""
    asked = sent is not None and b"includetzoffset" in sent.lower()
    header = f"SO-TimeZone: {'' if sent is None else sent.decode()}"
    base = settings.time_zone
    unused = "let SuperOffice use time zones, or set GATEWAY_TIME_ZONE alone"
    unset = f"set GATEWAY_SO_TIME_ZONE to {WITH_OFFSETS}"
    meanings: tuple[tuple[bool, Level, str, str | None], ...] = (
        (not times, "ok", "no session has a time that could be checked", None),
        (all(map(has_zone, times)), "ok", f"have a zone{f', as {header}' if asked else ''}", None),
        (not sent and base is not None, "ok", f"have no zone, GATEWAY_TIME_ZONE is {base}", None),
        (asked, "warn", f"have no zone: SuperOffice ignores {header}", unused),
        (sent is not None, "warn", f"have no zone with {header}", f"send {WITH_OFFSETS}"),
        (True, "warn", "have no zone: waitSeconds is null", unset),
    )
    _, level, found, advice = next(meaning for meaning in meanings if meaning[0])
    return Finding("times", level, found, advice)
