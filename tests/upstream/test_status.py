"""The errors for REST's statuses, and Retry-After."""

import email.utils
import time

import httpx
import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamMisdirectedError,
    UpstreamRateLimitedError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.upstream.failures import error_for, retry_after_s

_SECRET = "SqlException at C:\\inetpub"

_WITH_A_MEANING = {
    204: UpstreamBadResponseError,
    401: UpstreamUnauthenticatedError,
    403: UpstreamForbiddenError,
    407: UpstreamUnavailableError,
    421: UpstreamMisdirectedError,
    429: UpstreamRateLimitedError,
    502: UpstreamUnavailableError,
    503: UpstreamUnavailableError,
    504: UpstreamUnavailableError,
}
_EVERY_OTHER = [s for s in range(100, 600) if s != 200 and s not in _WITH_A_MEANING]


def _date_in(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(("status", "kind"), _WITH_A_MEANING.items())
def test_a_known_status_has_its_own_error(status: int, kind: type[UpstreamError]) -> None:
    """A known status has an error class with a code and a status of the gateway."""
    assert type(error_for(httpx.Response(status))) is kind


def test_every_other_status_is_an_upstream_error() -> None:
    """It has the code of the base class, which clients know."""
    kinds = {type(error_for(httpx.Response(status))) for status in _EVERY_OTHER}

    assert kinds == {UpstreamError}


@pytest.mark.parametrize("status", [100, 204, 302, 401, 403, 404, 429, 500, 503, 599])
def test_the_error_has_the_status_of_rest(status: int) -> None:
    """Clients get the status of REST as `upstreamStatus`."""
    assert error_for(httpx.Response(status)).extensions["upstreamStatus"] == status


def test_the_error_of_a_redirect_omits_its_target() -> None:
    """The error of a redirect omits its target, which may be internal."""
    error = error_for(httpx.Response(302, headers={"Location": "https://internal.example/"}))

    assert "redirect" in str(error)
    assert "internal" not in str(error)
    assert "redirect" not in str(error_for(httpx.Response(304)))


def test_the_error_contains_no_text_of_the_answer() -> None:
    """The error contains no text of REST's answer."""
    error = error_for(httpx.Response(500, text=_SECRET, headers={"X-Error": _SECRET}))

    assert _SECRET not in f"{error} {error.extensions}"


def test_without_retry_after_the_error_has_none() -> None:
    """Without the header the error has no `retryAfter`, not even null."""
    error = error_for(httpx.Response(429))

    assert error.retry_after_s is None
    assert "retryAfter" not in error.extensions


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_passed_on(status: int) -> None:
    """Clients get REST's Retry-After as `retryAfter` in seconds."""
    error = error_for(httpx.Response(status, headers={"Retry-After": "7"}))

    assert error.retry_after_s == 7
    assert error.extensions["retryAfter"] == 7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("007", 7),
        ("86400", 86_400),
        ("86401", 86_400),
        ("9" * 5_000, 86_400),
    ],
)
def test_seconds_are_limited_to_a_day(value: str, seconds: int) -> None:
    """Seconds of any length are read, and limited to a day."""
    assert retry_after_s(value) == seconds


def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date without a zone is in UTC, whatever the zone of the machine."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Niue")
        time.tzset()
        in_an_hour = retry_after_s(time.asctime(time.gmtime(time.time() + 3_600)))
        at_the_end = retry_after_s("Fri, 31 Dec 9999 23:59:59 -0000")
    time.tzset()

    assert in_an_hour in range(3_590, 3_601)
    assert at_the_end == 86_400


@pytest.mark.parametrize("offset_s", [30, 3_600])
def test_a_date_is_converted_to_seconds_from_now(offset_s: int) -> None:
    """An HTTP date is converted to seconds from now."""
    seconds = retry_after_s(_date_in(offset_s))

    assert seconds is not None
    assert offset_s - 10 <= seconds <= offset_s


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 01 Jan 0001 00:00:00 GMT",
    ],
)
def test_a_date_in_the_past_is_0_seconds(value: str) -> None:
    """A past date in any form of RFC 9110, section 5.6.7, is 0 seconds."""
    assert retry_after_s(value) == 0


@pytest.mark.parametrize(
    "value", [_date_in(10 * 86_400), "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["10 days", "9999"]
)
def test_a_date_is_limited_to_a_day(value: str) -> None:
    """A date is limited to a day, as seconds are."""
    assert retry_after_s(value) == 86_400


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "soon",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "5 seconds",
        "٣",
        "²",
        "Mon, 32 Jan 2030 00:00:00 GMT",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999999",
    ],
)
def test_an_invalid_retry_after_is_ignored(value: str) -> None:
    """A value that is neither seconds nor a date is ignored."""
    assert retry_after_s(value) is None
