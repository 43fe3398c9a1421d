"""The error for a status of SuperOffice other than 200."""

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

_LONGEST_RETRY_AFTER_S = 86_400

_MEANING: dict[int, tuple[type[UpstreamError], str]] = {
    204: (UpstreamBadResponseError, "SuperOffice answered without a body."),
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
    """Make the error for a status that is not 200; the body is ignored."""
    status = response.status_code
    if response.is_redirect:
        kind, message = (
            UpstreamError,
            "SuperOffice answered with a redirect, which is not followed.",
        )
    else:
        other = (UpstreamError, f"SuperOffice answered with status {status}.")
        kind, message = _MEANING.get(status, other)
    wait_s = retry_after_s(response.headers.get("retry-after", ""))
    return kind(message, upstream_status=status, retry_after_s=wait_s)


def retry_after_s(value: str) -> int | None:
    """Read a Retry-After (RFC 9110, section 10.2.3): seconds or a date; None if it is invalid.

    Longer waits count as a day.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Ten digits are more than a day already, and int() has a limit of its own.
        return min(int(value[:10]), _LONGEST_RETRY_AFTER_S)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for an absurd year or offset
        return None
    return min(max(0, round(date.timestamp() - time.time())), _LONGEST_RETRY_AFTER_S)
