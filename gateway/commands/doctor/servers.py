"""Whether a server can be reached, and how the REST API answers with and without credentials."""

import asyncio
import email.utils
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.commands.doctor.finding import Failures, Finding, Level, failure
from gateway.errors import GatewayError
from gateway.headers import Header
from gateway.records.dates import has_zone
from gateway.records.decode import decoder
from gateway.records.record import valid
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.settings import Settings
from gateway.settings.settings import WITH_OFFSETS
from gateway.upstream.client import PATH, UpstreamClient
from gateway.wiring.upstreams import caller_policy

_CHECK = "REST API"
_WRONG_PATH = "GATEWAY_UPSTREAM_URL must have everything that comes before /api/v1"
_MOVED = "the tenants of SuperOffice Online move: use GATEWAY_ENVIRONMENT"
_UNEXPECTED = "check proxies in between: without credentials SuperOffice answers 401"
_FOLLOWS_NONE = "the gateway follows no redirects: use that address"
_NOT_TRUSTED = "the certificate is not trusted"
_OWN_AUTHORITY = "if your own authority has issued it, name the authority's file in SSL_CERT_FILE"
_NO_CLIENT_CERTIFICATE = "it may require a client certificate, which the gateway cannot present"
_CLOCKS_APART_S = 30
_DAY_S = 86_400
_SOON_DAYS = 14

_NOT_TLS = "^(wrong version number|unexpected message|record layer failure)$"
_REFUSES_US = "certificate required|handshake failure"
_NAME_FAILURES: Failures = (
    (TimeoutError, "DNS does not answer about {host} → check this machine's DNS servers"),
    (Exception, "{host} is unknown → check its spelling, and that this machine's DNS knows it"),
)
_TLS_FAILURES: Failures = (
    (_REFUSES_US, f"{{where}} refuses the TLS connection: {{reason}} → {_NO_CLIENT_CERTIFICATE}"),
    (ssl.SSLError, "{where} breaks the TLS connection: {reason} → check the server's TLS settings"),
)
_CONNECTION_FAILURES: Failures = (
    (ssl.SSLCertVerificationError, f"{_NOT_TRUSTED}: {{exc.verify_message}} → {_OWN_AUTHORITY}"),
    (_NOT_TLS, "{where} does not speak TLS → use http:// or another port"),
    *_TLS_FAILURES,
    (TimeoutError, "{where} does not answer → check for a firewall in between"),
    (ConnectionRefusedError, "nothing listens at {where} → check the port, or start the server"),
    (ConnectionResetError, "{where} closes the connection → check the port, and http(s)://"),
    (Exception, "{where} cannot be reached → check the address and the network"),
)
_ANSWER_FAILURES: Failures = (
    (TimeoutError, "no answer within {timeout_s:g} seconds → try the address in a browser"),
    *_TLS_FAILURES,  # httpx lets them through once the handshake is over
    (httpx.ProtocolError, "the answer is not valid HTTP → check the port"),
    (Exception, "the connection breaks: {kind} → check the port, proxies and firewalls in between"),
)


async def reach(url: str, *, timeout_s: float) -> list[Finding]:
    """Look the name up, and connect; a failure is the last finding."""
    host, port, is_tls = _server(url)
    findings = [await _name(host, port, timeout_s)]
    if findings[-1].level != "fail":
        findings.append(await _connection(host, port, timeout_s, is_tls=is_tls))
    return findings


def _server(url: str) -> tuple[str, int, bool]:
    """Return its host, its port, and whether it speaks TLS."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    return str(parts.hostname), parts.port or (443 if is_tls else 80), is_tls


async def _name(host: str, port: int, timeout_s: float) -> Finding:
    try:
        async with asyncio.timeout(timeout_s):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return failure("name", exc, _NAME_FAILURES, host=host)
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    where = "is an address" if host in addresses else f"is at {', '.join(addresses)}"
    return Finding("name", "ok", f"{host} {where}")


async def _connection(host: str, port: int, timeout_s: float, *, is_tls: bool) -> Finding:
    tls = ssl.create_default_context() if is_tls else None
    check, where = "TLS" if tls else "connection", f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except (OSError, ValueError) as exc:
        return failure(check, exc, _CONNECTION_FAILURES, where=where)
    try:
        if tls:
            return _certificate(writer.get_extra_info("ssl_object"))
        return Finding(check, "ok", f"{where} answers, without TLS")
    finally:
        writer.transport.abort()


def _certificate(peer: ssl.SSLObject) -> Finding:
    certificate: Any = peer.getpeercert()  # its values have many types
    issuer = dict(pair for parts in certificate["issuer"] for pair in parts)
    name = issuer.get("organizationName") or issuer.get("commonName", "an issuer without a name")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // _DAY_S)
    found = f"{peer.version()}, certificate by {name}, valid for {days} days"
    if days < _SOON_DAYS:
        return Finding("TLS", "warn", found, "renew the certificate")
    return Finding("TLS", "ok", found)


async def answer(url: str, *, timeout_s: float) -> list[Finding]:
    """Request the sessions without credentials; SuperOffice must answer 401."""
    started = time.perf_counter()
    try:
        # Like the gateway: the authorities of the system or of SSL_CERT_FILE, and no proxy.
        trusted = ssl.create_default_context()
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(verify=trusted, trust_env=False, timeout=None) as client,  # noqa: S113
            client.stream("GET", url + PATH, headers={"Accept": "application/json"}) as head,
        ):
            took_ms = (time.perf_counter() - started) * 1000
            return [_judged(head, took_ms), *_clock(head)]
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        host, port, _ = _server(url)
        known = {"where": f"{host}:{port}", "timeout_s": timeout_s, "kind": type(exc).__name__}
        return [failure(_CHECK, exc, _ANSWER_FAILURES, **known)]


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
        date = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
        ahead_s = time.time() - date.timestamp()
    except (ValueError, OverflowError):
        return []
    if abs(ahead_s) <= _CLOCKS_APART_S:
        return [Finding("clock", "ok", "this machine and SuperOffice have the same time")]
    way = "ahead of" if ahead_s > 0 else "behind"
    found = f"this machine's clock is {abs(ahead_s):.0f} s {way} SuperOffice's"
    return [Finding("clock", "warn", found, "synchronise it (NTP): wait times and tokens need it")]


async def call(settings: Settings, url: str, headers: Sequence[Header]) -> list[Finding]:
    """Make one call as the gateway does; report how much arrived, and whether times have a zone."""
    client = UpstreamClient(
        url=url,
        connect_timeout_s=settings.upstream_connect_timeout,
        timeout_s=settings.upstream_timeout,
        connections=1,
        queue=1,
        breaker_failures=0,
        breaker_cooldown_s=1,
        max_bytes=settings.max_upstream_bytes,
    )
    started = time.perf_counter()
    try:
        caller = caller_policy(settings).read(headers)
        body = await client.fetch(caller.headers)
        sessions = decoder(record_of(ChatSession))(body)
    except GatewayError as exc:
        return [Finding("call", "fail", f"{exc.code}: {exc}")]
    finally:
        await client.aclose()
    took_ms = (time.perf_counter() - started) * 1000
    found = f"{len(sessions)} sessions, {len(body)} bytes, in {took_ms:.0f} ms"
    times = [valid(session.when_requested) for session in sessions]
    sent = dict(caller.headers).get(b"so-timezone")
    return [Finding("call", "ok", found), _times([t for t in times if t], sent, settings)]


def _times(times: Sequence[str], sent: bytes | None, settings: Settings) -> Finding:
    """Return whether times have a zone, and what explains it."""
    asked = sent is not None and b"includetzoffset" in sent.lower()
    header = f"SO-TimeZone: {'' if sent is None else sent.decode()}"
    base = settings.time_zone
    meanings: tuple[tuple[bool, Level, str, str | None], ...] = (
        (not times, "ok", "no session has a time that could be checked", None),
        (all(map(has_zone, times)), "ok", f"have a zone{f', as {header}' if asked else ''}", None),
        (
            sent is None and base is not None,
            "ok",
            f"have no zone, GATEWAY_TIME_ZONE is {base}",
            None,
        ),
        (
            asked,
            "warn",
            f"have no zone: SuperOffice ignores {header}",
            "let SuperOffice use time zones, or set GATEWAY_TIME_ZONE alone",
        ),
        (sent is not None, "warn", f"have no zone with {header}", f"send {WITH_OFFSETS}"),
        (
            True,
            "warn",
            "have no zone: waitSeconds is null",
            f"set GATEWAY_SO_TIME_ZONE='{WITH_OFFSETS}'",
        ),
    )
    _, level, found, advice = next(meaning for meaning in meanings if meaning[0])
    return Finding("times", level, found, advice)
