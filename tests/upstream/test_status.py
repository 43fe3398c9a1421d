"""What each REST status and Retry-After mean."""

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
def test_a_status_with_a_meaning_has_its_own_error(status: int, kind: type[UpstreamError]) -> None:
    """The class carries the code and the gateway's own status."""
    assert type(error_for(httpx.Response(status))) is kind


def test_every_other_status_is_an_upstream_error() -> None:
    """Whatever REST comes up with, there is a code for it."""
    kinds = {type(error_for(httpx.Response(status))) for status in _EVERY_OTHER}

    assert kinds == {UpstreamError}


@pytest.mark.parametrize("status", [100, 204, 302, 401, 403, 404, 429, 500, 503, 599])
def test_the_error_tells_the_status(status: int) -> None:
    """Clients see it as `upstreamStatus`."""
    assert error_for(httpx.Response(status)).extensions["upstreamStatus"] == status


def test_a_redirect_is_said_to_be_one_without_its_target() -> None:
    """The address it points to may be internal."""
    error = error_for(httpx.Response(302, headers={"Location": "https://internal.example/"}))

    assert "redirect" in str(error)
    assert "internal" not in str(error)
    assert "redirect" not in str(error_for(httpx.Response(304)))


def test_no_text_of_the_answer_gets_into_the_message() -> None:
    """REST's error messages are for its own log."""
    error = error_for(httpx.Response(500, text=_SECRET, headers={"X-Error": _SECRET}))

    assert _SECRET not in f"{error} {error.extensions}"


def test_without_retry_after_nothing_is_said_about_waiting() -> None:
    """An absent header leaves no `retryAfter` behind, not even null."""
    error = error_for(httpx.Response(429))

    assert error.retry_after_s is None
    assert "retryAfter" not in error.extensions


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_passed_on(status: int) -> None:
    """Clients see it as `retryAfter`, in seconds."""
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
def test_seconds_are_believed_up_to_a_day(value: str, seconds: int) -> None:
    """A number of any length is read, and cut."""
    assert retry_after_s(value) == seconds


def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the zone of the machine; there the last year may have another end, too."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Niue")
        time.tzset()
        in_an_hour = retry_after_s(time.asctime(time.gmtime(time.time() + 3_600)))
        at_the_end = retry_after_s("Fri, 31 Dec 9999 23:59:59 -0000")
    time.tzset()

    assert in_an_hour in range(3_590, 3_601)
    assert at_the_end == 86_400


@pytest.mark.parametrize("offset_s", [30, 3_600])
def test_a_date_is_as_far_away_as_it_is(offset_s: int) -> None:
    """An HTTP date counts from now."""
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
def test_a_date_that_is_past_means_now(value: str) -> None:
    """All three forms of RFC 9110, section 5.6.7, are read; none gives a negative wait."""
    assert retry_after_s(value) == 0


@pytest.mark.parametrize(
    "value", [_date_in(10 * 86_400), "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["10 days", "9999"]
)
def test_a_date_far_away_is_cut_to_a_day(value: str) -> None:
    """What holds for seconds holds for dates."""
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
def test_nonsense_is_ignored(value: str) -> None:
    """What is neither seconds nor a date says nothing, and breaks nothing."""
    assert retry_after_s(value) is None
