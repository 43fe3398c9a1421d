"""What a REST status other than 200 means to the client."""

import email.utils
import time

import httpx

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamMisdirectedError,
    UpstreamRateLimitedError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)

__all__ = ["error_for", "retry_after_s"]

_LONGEST_RETRY_AFTER_S = 86_400

_MEANING: dict[int, tuple[type[UpstreamError], str]] = {
    204: (UpstreamBadResponseError, "REST answered without a body."),
    401: (
        UpstreamUnauthenticatedError,
        "SuperOffice does not accept these credentials; they may have expired.",
    ),
    403: (UpstreamForbiddenError, "SuperOffice denies this user the chat sessions."),
    421: (UpstreamMisdirectedError, "SuperOffice serves this tenant at another address."),
    429: (UpstreamRateLimitedError, "SuperOffice asks to slow down."),
    502: (UpstreamUnavailableError, "SuperOffice is out of service at the moment."),
    503: (UpstreamUnavailableError, "SuperOffice is out of service at the moment."),
    504: (UpstreamUnavailableError, "SuperOffice is out of service at the moment."),
}


def error_for(response: httpx.Response) -> UpstreamError:
    """Make the error for a status that is not 200; the answer's body plays no part in it."""
    status = response.status_code
    if response.is_redirect:
        kind, message = UpstreamError, "REST answered with a redirect, which is not followed."
    else:
        other = (UpstreamError, f"REST answered with status {status}.")
        kind, message = _MEANING.get(status, other)
    wait_s = retry_after_s(response.headers.get("retry-after", ""))
    return kind(message, upstream_status=status, retry_after_s=wait_s)


def retry_after_s(value: str) -> int | None:
    """Read a Retry-After (RFC 9110, section 10.2.3): seconds or a date; nonsense gives None.

    At most a day is believed.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Ten digits are more than a day already, and int() has a limit of its own.
        return min(int(value[:10]), _LONGEST_RETRY_AFTER_S)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter where a year or an offset is absurd
        return None
    return min(max(0, round(date.timestamp() - time.time())), _LONGEST_RETRY_AFTER_S)
