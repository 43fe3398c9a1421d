"""What can go wrong with a connection, in one table: aiohttp's errors, httpx's, and ours.

The transport raises httpx's errors, so that any other httpx transport can take its place. Messages
of aiohttp and httpx name addresses and certificates: ours do not, and httpx's get the kind alone.
"""

import ssl
from typing import NamedTuple

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError

from gateway.errors import UpstreamBadResponseError, UpstreamError, UpstreamUnavailableError


class _Failure(NamedTuple):
    by_aiohttp: type[Exception]
    by_httpx: type[httpx.TransportError]
    kind: type[UpstreamError]
    message: str


_NO_CONNECTION = (UpstreamUnavailableError, "SuperOffice cannot be reached.")
_NOT_HTTP = (UpstreamBadResponseError, "SuperOffice's answer is not valid HTTP.")
_BROKEN = (UpstreamUnavailableError, "The connection to SuperOffice broke.")

# From the most specific kind to the most general one.
_FAILURES = (
    _Failure(aiohttp.ClientConnectorError, httpx.ConnectError, *_NO_CONNECTION),
    # Connecting is the only thing that has a timeout in the transport.
    _Failure(aiohttp.ServerTimeoutError, httpx.ConnectTimeout, *_NO_CONNECTION),
    _Failure(aiohttp.ClientResponseError, httpx.RemoteProtocolError, *_NOT_HTTP),
    _Failure(HttpProcessingError, httpx.RemoteProtocolError, *_NOT_HTTP),
    _Failure(aiohttp.ClientError, httpx.ReadError, *_BROKEN),
)


def in_httpx(exc: aiohttp.ClientError | HttpProcessingError) -> httpx.TransportError:
    """Return the error of httpx that means the same; its message is the kind."""
    failure = next(failure for failure in _FAILURES if isinstance(exc, failure.by_aiohttp))
    return failure.by_httpx(type(exc).__name__)


def upstream_error(exc: httpx.TransportError | ssl.SSLError) -> UpstreamError:
    """Return our error for one of a transport; every other kind is a broken connection."""
    for failure in _FAILURES:
        if isinstance(exc, failure.by_httpx):
            return failure.kind(failure.message)
    kind, message = _BROKEN
    return kind(message)
