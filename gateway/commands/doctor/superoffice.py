"""What answers at REST's address, asked without anybody's credentials; and one real call."""

import email.utils
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from gateway.commands.doctor.finding import Finding, Target
from gateway.errors import UpstreamError
from gateway.headers import Header
from gateway.records.decode import decoder
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.settings import Settings
from gateway.upstream.client import PATH, UpstreamClient

__all__ = ["answer", "call"]

_WRONG_PATH = "what comes before /api/v1 in its addresses has to be in GATEWAY_UPSTREAM_URL"
_CLOCKS_APART_S = 30


async def answer(target: Target, *, timeout_s: float) -> list[Finding]:
    """Ask for the sessions without credentials, which REST has to refuse with 401."""
    started = time.perf_counter()
    try:
        # As the gateway does, it trusts whom the system or SSL_CERT_FILE does, and uses no proxy.
        trusted = ssl.create_default_context()
        async with httpx.AsyncClient(verify=trusted, trust_env=False, timeout=timeout_s) as client:
            response = await client.get(
                target.url + PATH, headers={"Accept": "application/json"}, follow_redirects=False
            )
    except httpx.TimeoutException:
        found = f"no answer within {timeout_s:g} seconds"
        return [Finding("REST", "fail", found, "see whether a browser gets one")]
    except httpx.TransportError:
        return [Finding("REST", "fail", "what answers is no HTTP", "check the port")]
    took_ms = (time.perf_counter() - started) * 1000
    return [_judged(response, took_ms), *_clock(response)]


def _judged(response: httpx.Response, took_ms: float) -> Finding:
    status = response.status_code
    kind = response.headers.get("content-type", "no type").partition(";")[0]
    seen = f"{response.http_version} {status}, {kind}, in {took_ms:.0f} ms"
    if response.is_redirect:
        to = urlsplit(response.headers.get("location", ""))
        where = f"{to.scheme}://{to.netloc}" if to.netloc else "another path"
        found = f"{seen}: it sends callers on to {where}"
        return Finding("REST", "fail", found, "redirects are not followed: use that address")
    match status:
        case 401:
            return Finding("REST", "ok", f"{seen}: it asks for credentials, as it should")
        case 200 if kind == "text/html":
            found = f"{seen}: a page for people, by a log-in or a proxy before REST"
            return Finding("REST", "fail", found, _WRONG_PATH)
        case 404:
            return Finding("REST", "fail", f"{seen}: there is no such thing", _WRONG_PATH)
        case 421:
            advice = "a tenant of SuperOffice Online moves: use GATEWAY_ENVIRONMENT"
            return Finding("REST", "fail", f"{seen}: the tenant is at another host", advice)
        case _ if status >= 500:
            advice = "wait, or ask who runs it"
            return Finding("REST", "fail", f"{seen}: it is out of service", advice)
    advice = "see what is before it: without credentials REST answers with 401"
    return Finding("REST", "warn", f"{seen}: that is odd", advice)


def _clock(response: httpx.Response) -> list[Finding]:
    try:
        date = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
        ahead_s = time.time() - date.timestamp()
    except (ValueError, OverflowError):
        return []
    if abs(ahead_s) <= _CLOCKS_APART_S:
        return [Finding("clock", "ok", "both clocks tell the same time")]
    way = "ahead of" if ahead_s > 0 else "behind"
    found = f"this machine's clock is {abs(ahead_s):.0f} s {way} REST's"
    return [Finding("clock", "warn", found, "waits and tokens go by it: see to NTP")]


async def call(settings: Settings, target: Target, headers: Sequence[Header]) -> Finding:
    """Make one call as the gateway does, and tell how much came, and nothing of what."""
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
    return Finding(
        "call", "ok", f"{len(sessions)} sessions, {len(body)} bytes, in {took_ms:.0f} ms"
    )
