"""How the REST API answers: once without credentials, once as the gateway calls it."""

import asyncio
import email.utils
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from gateway.commands.doctor.finding import Finding, Level, Target
from gateway.commands.doctor.network import tls_problem
from gateway.errors import UpstreamError
from gateway.headers import Header
from gateway.records.decode import decoder
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.settings import Settings
from gateway.upstream.client import PATH, UpstreamClient

_CHECK = "REST API"
_WRONG_PATH = "GATEWAY_UPSTREAM_URL must have everything that comes before /api/v1"
_CLOCKS_APART_S = 30


async def answer(target: Target, *, timeout_s: float) -> list[Finding]:
    """Request the sessions without credentials; SuperOffice must answer 401."""
    started = time.perf_counter()
    try:
        # Like the gateway: the authorities of the system or of SSL_CERT_FILE, and no proxy.
        trusted = ssl.create_default_context()
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(verify=trusted, trust_env=False, timeout=None) as client,  # noqa: S113
            client.stream("GET", target.url + PATH, headers={"Accept": "application/json"}) as head,
        ):
            took_ms = (time.perf_counter() - started) * 1000
            return [_judged(head, took_ms), *_clock(head)]
    except TimeoutError:
        found, advice = f"no answer within {timeout_s:g} seconds", "try the address in a browser"
    except ssl.SSLError as exc:  # httpx lets it through once the handshake is over
        found, advice = tls_problem(exc, f"{target.host}:{target.port}")
    except httpx.ProtocolError:
        found, advice = "the answer is not valid HTTP", "check the port"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        found = f"the connection breaks: {type(exc).__name__}"
        advice = "check the port, and proxies and firewalls in between"
    return [Finding(_CHECK, "fail", found, advice)]


def _judged(response: httpx.Response, took_ms: float) -> Finding:
    status = response.status_code
    kind = response.headers.get("content-type", "no type").partition(";")[0]
    seen = f"{response.http_version} {status}, {kind}, in {took_ms:.0f} ms"
    level: Level = "fail"
    advice = _WRONG_PATH
    match status:
        case 401:
            level, found, advice = "ok", "requires credentials, as it should", ""
        case 200 if kind == "text/html":
            found = "a web page, perhaps the login page of a proxy"
        case 404:
            found = "not found"
        case 421:
            found = "the tenant is at another host"
            advice = "the tenants of SuperOffice Online move: use GATEWAY_ENVIRONMENT"
        case _ if response.is_redirect:
            to = urlsplit(response.headers.get("location", ""))
            found = f"redirects to {f'{to.scheme}://{to.netloc}' if to.netloc else 'another path'}"
            advice = "the gateway follows no redirects: use that address"
        case _ if status >= 500:
            found, advice = "out of service", "wait, or ask its operator"
        case _:
            level, found = "warn", "unexpected"
            advice = "check proxies in between: without credentials SuperOffice answers 401"
    return Finding(_CHECK, level, f"{seen}: {found}", advice or None)


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


async def call(settings: Settings, target: Target, headers: Sequence[Header]) -> Finding:
    """Make one call as the gateway does; report how much arrived, and none of it."""
    client = UpstreamClient(
        url=target.url,
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
        body = await client.fetch(headers)
        sessions = decoder(record_of(ChatSession))(body)
    except UpstreamError as exc:
        return Finding("call", "fail", f"{exc.code}: {exc}")
    finally:
        await client.aclose()
    took_ms = (time.perf_counter() - started) * 1000
    found = f"{len(sessions)} sessions, {len(body)} bytes, in {took_ms:.0f} ms"
    return Finding("call", "ok", found)
