"""The failures of a call, in two tables: errors of the connection, and statuses other than 200.

The transport raises httpx's errors, so that any other httpx transport can take its place. Messages
of aiohttp and httpx name addresses and certificates: ours do not, and httpx's only name the kind.
"""

import email.utils
import errno
import os
import ssl
import time
from datetime import UTC
from typing import NamedTuple

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamMisdirectedError,
    UpstreamRateLimitedError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)


class _Failure(NamedTuple):
    by_aiohttp: type[Exception]
    by_httpx: type[httpx.TransportError]
    kind: type[UpstreamError]
    message: str


_NO_CONNECTION = (UpstreamUnavailableError, "SuperOffice cannot be reached.")
_NO_PROXY = (UpstreamUnavailableError, "The proxy on the way to SuperOffice does not connect.")
_TOO_LARGE = (UpstreamBadResponseError, "A header of SuperOffice's answer is larger than 64 KiB.")
_NOT_HTTP = (UpstreamBadResponseError, "SuperOffice's answer is not valid HTTP.")
_BROKEN = (UpstreamUnavailableError, "The connection to SuperOffice broke.")

# From the most specific kind to the most general one.
_FAILURES = (
    _Failure(aiohttp.ClientProxyConnectionError, httpx.ProxyError, *_NO_PROXY),
    _Failure(aiohttp.ClientHttpProxyError, httpx.ProxyError, *_NO_PROXY),
    _Failure(aiohttp.ClientConnectorError, httpx.ConnectError, *_NO_CONNECTION),
    # Only connecting has a timeout in the transport.
    _Failure(aiohttp.ServerTimeoutError, httpx.ConnectTimeout, *_NO_CONNECTION),
    _Failure(LineTooLong, httpx.LocalProtocolError, *_TOO_LARGE),
    _Failure(aiohttp.ClientResponseError, httpx.RemoteProtocolError, *_NOT_HTTP),
    _Failure(HttpProcessingError, httpx.RemoteProtocolError, *_NOT_HTTP),
    _Failure(aiohttp.ClientError, httpx.ReadError, *_BROKEN),
)


def in_httpx(exc: aiohttp.ClientError | HttpProcessingError) -> httpx.TransportError:
    """Return the equivalent error of httpx; its message is the kind of error."""
    in_the_head = getattr(exc.__cause__, "__cause__", None)  # aiohttp wraps it twice
    if isinstance(in_the_head, LineTooLong):
        exc = in_the_head
    failure = next(failure for failure in _FAILURES if isinstance(exc, failure.by_aiohttp))
    return failure.by_httpx(type(exc).__name__)


def upstream_error(exc: httpx.TransportError | ssl.SSLError) -> UpstreamError:
    """Return our error for one of a transport; every other kind is a broken connection."""
    if isinstance(exc, httpx.ConnectError | httpx.ProxyError) and _lacks_files(exc.__cause__):
        message = "The gateway has too many open files to connect to SuperOffice."
        return UpstreamUnavailableError(message, retry_after_s=1, call_was_made=False)
    failure = next((one for one in _FAILURES if isinstance(exc, one.by_httpx)), _FAILURES[-1])
    return failure.kind(failure.message)


def _lacks_files(exc: BaseException | None) -> bool:
    """Return whether this process cannot open a file, as an error says, or an attempt."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))  # errors of the resolver have any number
    except OSError as failed:
        exc = failed
    return getattr(exc, "errno", None) in (errno.EMFILE, errno.ENFILE)


class ProxyError(OSError):
    """The proxy cannot be reached, or does not connect to SuperOffice."""

    reason = property(str)
    """The problem, such as `proxy answers 407`."""


def connection_error(exc: aiohttp.ClientError, *, is_proxied: bool) -> OSError:
    """Return the error of the socket, of TLS or of the proxy, with which connecting failed."""
    match exc:
        case aiohttp.ClientHttpProxyError(status=status):
            return ProxyError(f"proxy answers {status}")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError() if is_proxied:
            return ProxyError("proxy cannot be reached")
        case aiohttp.ClientConnectorError(os_error=os_error):
            return os_error
    return ProxyError("proxy does not speak HTTP")


_LONGEST_RETRY_AFTER_S = 86_400

_MEANING: dict[int, tuple[type[UpstreamError], str]] = {
    204: (UpstreamBadResponseError, "SuperOffice answered without a body."),
    401: (
        UpstreamUnauthenticatedError,
        "SuperOffice does not accept these credentials; they may have expired.",
    ),
    403: (UpstreamForbiddenError, "SuperOffice denies this user the chat sessions."),
    407: _NO_PROXY,  # for http; for https, aiohttp raises an error
    421: (UpstreamMisdirectedError, "SuperOffice serves this tenant at another address."),
    429: (UpstreamRateLimitedError, "SuperOffice asks to slow down."),
    **dict.fromkeys(
        (502, 503, 504),
        (UpstreamUnavailableError, "SuperOffice is out of service at the moment."),
    ),
}


def error_for(response: httpx.Response) -> UpstreamError:
    """Make the error for a status that is not 200; the body is ignored."""
    status = response.status_code
    is_redirect = response.has_redirect_location
    what = "a redirect, which is not followed" if is_redirect else f"status {status}"
    other = (UpstreamError, f"SuperOffice answered with {what}.")
    kind, message = _MEANING.get(status, other)
    wait_s = retry_after_s(response.headers.get("retry-after", ""))
    return kind(message, upstream_status=status, retry_after_s=wait_s)


def retry_after_s(value: str) -> int | None:
    """Read a Retry-After (RFC 9110, section 10.2.3): seconds or a date; None if it is invalid.

    Waits longer than a day count as a day.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Ten digits are more than a day already, and int() has a limit of its own.
        return min(int(value[:10]), _LONGEST_RETRY_AFTER_S)
    try:
        at_s = http_date_s(value)
    except (ValueError, OverflowError):
        return None
    return min(max(0, round(at_s - time.time())), _LONGEST_RETRY_AFTER_S)


def http_date_s(value: str) -> float:
    """Read a date of a header (RFC 9110, section 5.6.7); return it in seconds since 1970.

    Raises:
        ValueError, OverflowError: it is invalid; the latter for an absurd year or offset.
    """
    date = email.utils.parsedate_to_datetime(value)
    return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
