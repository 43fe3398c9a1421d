"""SuperOffice's `GET /api/v1/ChatSession/ForCurrentUser` as a Python object."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

import httpx

from gateway.caller import Caller
from gateway.errors import UpstreamRateLimitedError, UpstreamTimeoutError, UpstreamUnavailableError
from gateway.headers import Header
from gateway.settings import Settings
from gateway.store.shared import SharedCache
from gateway.store.shared_rate import SharedRate
from gateway.upstream.body import read_body
from gateway.upstream.body_memory import make_room
from gateway.upstream.breaker import Breaker, Call
from gateway.upstream.budget import Budget
from gateway.upstream.failures import error_for, upstream_error
from gateway.upstream.gate import Gate
from gateway.upstream.rate_limits import RateLimits
from gateway.upstream.retry import Retries

logger = logging.getLogger(__name__)

PATH = "/api/v1/ChatSession/ForCurrentUser"
CALLS_WAITING = 256
"""Calls that may wait for a connection, per process; more are rejected at once."""

_HEADERS: Sequence[Header] = (
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"user-agent", b"superoffice-chat-gateway"),
    # A proxy with a cache would mix up callers who log in with cookies (RFC 9111, section 3.5).
    (b"cache-control", b"no-cache, no-store"),
)
_LONGEST_TURN = 0.4  # of the deadline: the call itself needs most of it
_STALL_S = 0.5  # by which a timeout is late only if the process stood still: the answer may be here
_NO_BODY = httpx.ByteStream(b"")


class UpstreamClient:
    """Calls the REST API of one host, over pooled connections; close it with `aclose`.

    One deadline, `upstream_timeout`, holds for a whole `fetch`: queueing, connecting, reading and
    the one retry. Redirects are not followed: the credentials are for one host only.

    A client for a tenant's new address goes on with the budget and the rate limits of the one
    `before`. `tenant`, `breaker`, `gate` and `budget` are public for metrics. `shared` shares the
    budget out between processes.
    """

    def __init__(
        self,
        settings: Settings,
        url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        tenant: str = "",
        before: "UpstreamClient | None" = None,
        shared: SharedCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tenant = tenant
        self.gate = Gate(slots=settings.upstream_connections, queue=CALLS_WAITING)
        self.breaker = Breaker(
            failures=settings.breaker_failures,
            cooldown_s=settings.breaker_cooldown,
            name=f"SuperOffice of {tenant}" if tenant else "SuperOffice",
            clock=clock,
        )
        self.budget: Budget | None = before.budget if before else None
        if before is None and (per_second := settings.upstream_rate):
            # Processes may find a tenant at different hosts.
            name = f"{settings.address}/{tenant}"
            rate = SharedRate(name, per_second, workers=settings.workers, shared=shared)
            self.budget = Budget(rate, queue=CALLS_WAITING)
        self._retries = Retries(clock=clock)
        self._rate_limits: RateLimits = before._rate_limits if before else RateLimits(clock=clock)
        self._url = httpx.URL(url + PATH)
        self._headers = ((b"host", self._url.netloc), *_HEADERS)
        self._timeout_s = settings.upstream_timeout
        self._max_bytes = settings.max_upstream_bytes
        # Not httpx's client: its cookie jar and its redirects, which could send one caller's data
        # to another caller or host, cannot be removed.
        self._transport = transport

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._transport.aclose()

    async def fetch(self, caller: Caller, trace: Sequence[Header] = ()) -> bytes:
        """Make the call for a caller and return the body of its 200, decompressed.

        `trace` are headers beside the caller's.

        Raises:
            UpstreamError: SuperOffice could not be reached, answered with another status or an
                unreadable body, or too late; or the call was not made, because calls keep failing
                or this caller is rate-limited.
        """
        ends_at = asyncio.get_running_loop().time() + self._timeout_s
        limits = self._rate_limits.call(caller)
        with limits as (share, of_failures, check), Call(self.breaker, of_failures, check) as call:
            try:
                async with asyncio.timeout_at(ends_at):
                    self._retries.note_call()
                    attempt = partial(
                        self._attempt, call, share, (*caller.headers, *trace), ends_at
                    )
                    return await self._attempt_twice(attempt, ends_at)
            except TimeoutError as exc:
                if _left_s(ends_at) < -_STALL_S:
                    call.lose_time()
                why = "SuperOffice did not answer" if call.has_begun else "No connection was free"
                message = f"{why} within {self._timeout_s:g} seconds."
                raise UpstreamTimeoutError(message, call_was_made=call.has_begun) from exc

    async def _attempt_twice(
        self, attempt: Callable[[], Awaitable[bytes]], ends_at: float
    ) -> bytes:
        try:
            return await attempt()
        except UpstreamUnavailableError as exc:
            # A probe is a single call, and during a probe a retry would be rejected.
            is_allowed = self.breaker.state == "closed"
            pause_s = self._retries.pause_s(exc, left_s=_left_s(ends_at)) if is_allowed else None
            if pause_s is None:
                raise
            await asyncio.sleep(pause_s)
            try:
                return await attempt()
            except (UpstreamRateLimitedError, UpstreamUnavailableError) as again:
                if again.call_was_made:
                    raise
                raise exc from exc.__cause__  # there was no retry

    async def _attempt(
        self, call: Call, share: str, headers: Sequence[Header], ends_at: float
    ) -> bytes:
        # A call that waits for a connection takes its time in the budget afterwards: if SuperOffice
        # stops answering, many wait, and must not begin at once when it answers again.
        budget = self.budget
        if budget is not None and self.gate.may_have(share):
            longest_s = min(_left_s(ends_at), _LONGEST_TURN * self._timeout_s)
            await budget.take(share, longest_s=longest_s)
        async with self.gate.slot(share) as was_free:
            if budget is not None and not was_free:
                longest_s = _left_s(ends_at) - self._timeout_s / 2
                await budget.take(share, longest_s=longest_s)
            call.begin(had_time=_left_s(ends_at) > self._timeout_s / 2)
            # Given a stream, httpx does not search for headers to add.
            request = httpx.Request(
                "GET", self._url, headers=[*self._headers, *headers], stream=_NO_BODY
            )
            try:
                response = await self._transport.handle_async_request(request)
                async with aclosing(response):
                    if response.status_code != httpx.codes.OK:
                        raise error_for(response)
                    room = partial(make_room, on_wait=call.lose_time)
                    return await read_body(response, max_bytes=self._max_bytes, make_room=room)
            except (httpx.TransportError, ssl.SSLError) as exc:
                # After the handshake TLS errors are not translated; in TLS 1.3 the refusal of a
                # client without a certificate is one of them.
                error = upstream_error(exc)
                if not error.call_was_made:
                    logger.warning("%s", error)
                raise error from exc


def _left_s(ends_at: float) -> float:
    return ends_at - asyncio.get_running_loop().time()
