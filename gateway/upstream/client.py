"""SuperOffice's `GET /api/v1/ChatSession/ForCurrentUser` as a Python object."""

import asyncio
import random
import ssl
from collections.abc import Sequence

import httpx

from gateway.caller import Header
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.upstream.body import read_body
from gateway.upstream.status import error_for
from gateway.upstream.transport import PooledTransport

__all__ = ["PATH", "UpstreamClient"]

PATH = "/api/v1/ChatSession/ForCurrentUser"

_HEADERS: Sequence[Header] = (
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"user-agent", b"superoffice-chat-gateway"),
)
_NO_BODY = httpx.ByteStream(b"")


class UpstreamClient:
    """Calls REST over pooled connections; close it with `aclose`.

    One deadline, `timeout_s`, holds for a whole `fetch`: waiting for a connection, connecting,
    reading and the one retry. Redirects are not followed: the credentials are for one host only.
    """

    def __init__(
        self,
        *,
        url: str,
        connect_timeout_s: float,
        timeout_s: float,
        connections: int,
        max_bytes: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = httpx.URL(url + PATH)
        self._headers = ((b"host", self._url.netloc), *_HEADERS)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        # Not through httpx's client: its cookie jar and its redirects, which would carry one
        # caller's data to another, or to another host, cannot be switched off, only defused.
        self._transport = transport or PooledTransport(
            connections=connections, connect_timeout_s=connect_timeout_s
        )

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._transport.aclose()

    async def fetch(self, headers: Sequence[Header]) -> bytes:
        """Make the call with a caller's headers and return the body of its 200, decompressed.

        Raises:
            UpstreamError: REST could not be reached, answered with another status, took longer
                than the deadline, or sent a body that cannot be read.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                try:
                    return await self._call(headers)
                except UpstreamUnavailableError as exc:
                    await _pause_before_retry(exc, deadline)
                return await self._call(headers)
        except TimeoutError as exc:
            message = f"REST did not answer within {self._timeout_s:g} seconds."
            raise UpstreamTimeoutError(message) from exc

    async def _call(self, headers: Sequence[Header]) -> bytes:
        # With a stream of its own it is taken as complete, and not gone through for what may lack.
        request = httpx.Request(
            "GET", self._url, headers=[*self._headers, *headers], stream=_NO_BODY
        )
        try:
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code != httpx.codes.OK:
                    raise error_for(response)
                return await read_body(response, max_bytes=self._max_bytes)
            finally:
                await response.aclose()
        except (httpx.TransportError, ssl.SSLError) as exc:
            # After the handshake httpx lets TLS errors through as they are; in TLS 1.3 the refusal
            # of a client without a certificate is one of them.
            raise _translated(exc) from exc


def _translated(exc: httpx.TransportError | ssl.SSLError) -> UpstreamError:
    """Say in our own words what went wrong: httpx's name addresses and certificates."""
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
        return UpstreamUnavailableError("REST cannot be reached.")
    if isinstance(exc, httpx.RemoteProtocolError) and "disconnected" not in str(exc):
        return UpstreamBadResponseError("REST's answer is not valid HTTP.")
    return UpstreamUnavailableError("The connection to REST broke.")


async def _pause_before_retry(cause: UpstreamUnavailableError, deadline: asyncio.Timeout) -> None:
    """Wait a little, at random so that callers do not come back in step, or as long as REST asks.

    Raises:
        UpstreamUnavailableError: `cause`, when the wait would outlast the deadline.
    """
    pause_s = max(random.uniform(0.05, 0.2), cause.retry_after_s or 0)  # noqa: S311  no secret
    ends_at = deadline.when()
    if ends_at is not None and asyncio.get_running_loop().time() + pause_s >= ends_at:
        raise cause
    await asyncio.sleep(pause_s)
