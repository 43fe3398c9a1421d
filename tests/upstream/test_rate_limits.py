"""Callers that REST asks to slow down are held off one by one, for a limited time."""

import contextlib

import pytest

from gateway.caller import STRANGERS, Caller
from gateway.errors import (
    UpstreamError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
)
from gateway.upstream import rate_limits as module
from gateway.upstream.rate_limits import RateLimits
from tests.clock import FakeClock

ADA = Caller(((b"authorization", b"Basic ZGVtbzpkZW1v"), (b"accept-language", b"en")))
BOB = Caller(((b"authorization", b"Basic Ym9iOmJvYg=="), (b"accept-language", b"en")))


@pytest.fixture
def limits(clock: FakeClock) -> RateLimits:
    """Return rate limits without any held caller."""
    return RateLimits(clock=clock)


def call(
    limits: RateLimits, caller: Caller, failure: UpstreamError | None = None
) -> tuple[str, str]:
    """Make a call that succeeds, or fails; return the caller's shares of slots and of failures."""
    try:
        with limits.call(caller) as (*shares, _):
            if failure:
                raise failure
    except UpstreamError as exc:
        if exc is not failure:
            raise
    return shares[0], shares[1]


def hold(limits: RateLimits, caller: Caller, seconds: int) -> None:
    """Make a call to which REST answers that the caller must wait."""
    call(limits, caller, UpstreamRateLimitedError("", retry_after_s=seconds))


def refuse(limits: RateLimits, caller: Caller) -> tuple[str, str]:
    """Make a call whose credentials REST refuses; return the caller's share."""
    return call(limits, caller, UpstreamUnauthenticatedError(""))


def seconds_left(limits: RateLimits, caller: Caller) -> int | None:
    """Return the seconds that a caller must wait, or None."""
    try:
        call(limits, caller)
    except UpstreamRateLimitedError as exc:
        return exc.retry_after_s
    return None


def test_a_caller_is_held_until_its_time_is_over(limits: RateLimits, clock: FakeClock) -> None:
    """A held caller gets the remaining seconds, rounded up."""
    hold(limits, ADA, 7)
    assert seconds_left(limits, ADA) == 7

    clock.advance(5.5)
    assert seconds_left(limits, ADA) == 2

    clock.advance(1.5)
    assert seconds_left(limits, ADA) is None


def test_other_callers_are_not_held(limits: RateLimits) -> None:
    """Only the caller that was too fast is held."""
    hold(limits, ADA, 7)

    assert seconds_left(limits, BOB) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Caller((ADA.headers[0], (b"accept-language", b"nb"))), id="language"),
        pytest.param(Caller((*ADA.headers, (b"so-timezone", b"UTC"))), id="time zone"),
        pytest.param(
            Caller((*ADA.headers, (b"x-request-id", b"17"), (b"traceparent", b"00-1"))), id="trace"
        ),
    ],
)
def test_a_caller_is_recognized_in_any_language(limits: RateLimits, other: Caller) -> None:
    """A caller is held in all languages and time zones, as REST counts users."""
    hold(limits, ADA, 7)

    assert seconds_left(limits, other) == 7


@pytest.mark.parametrize("name", [b"so-apptoken", b"cookie", b"x-xsrf-token"])
def test_every_credential_distinguishes_callers(limits: RateLimits, name: bytes) -> None:
    """Each header with a credential distinguishes users or applications."""
    one, two = Caller(((name, b"1"),)), Caller(((name, b"2"),))
    hold(limits, one, 7)

    assert seconds_left(limits, one) == 7
    assert seconds_left(limits, two) is None


def test_no_caller_is_held_longer_than_a_minute(limits: RateLimits) -> None:
    """A mistake of REST does not lock a caller out for a day."""
    hold(limits, ADA, 86_400)

    assert seconds_left(limits, ADA) == 60


def test_the_latest_retry_after_counts(limits: RateLimits) -> None:
    """The latest Retry-After counts, also if it is shorter."""
    with contextlib.suppress(UpstreamRateLimitedError), limits.call(ADA):
        hold(limits, ADA, 30)  # by another call at the same time
        raise UpstreamRateLimitedError("", retry_after_s=3)

    assert seconds_left(limits, ADA) == 3


def test_an_expired_hold_is_forgotten(limits: RateLimits, clock: FakeClock) -> None:
    """The next check drops an expired hold."""
    hold(limits, ADA, 3)
    clock.advance(3)
    call(limits, BOB)

    assert not limits._until


def test_a_short_hold_behind_a_long_one_ends_in_time(limits: RateLimits, clock: FakeClock) -> None:
    """A short hold ends in time, although a longer one is stored before it."""
    hold(limits, BOB, 60)
    hold(limits, ADA, 3)
    clock.advance(3)

    assert seconds_left(limits, ADA) is None
    assert seconds_left(limits, BOB) == 57


def test_the_number_of_holds_is_limited(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit, the oldest hold is dropped."""
    monkeypatch.setattr(module, "_MOST", 2)
    limits = RateLimits(clock=clock)
    callers = [Caller(((b"authorization", b"%d" % number),)) for number in range(3)]
    for caller in callers:
        hold(limits, caller, 60)

    assert [seconds_left(limits, caller) for caller in callers] == [None, 60, 60]


def test_rejected_credentials_are_remembered_for_five_seconds(
    limits: RateLimits, clock: FakeClock
) -> None:
    """Rejected credentials are refused for five seconds, without an effect on other callers."""
    refuse(limits, ADA)
    call(limits, BOB)
    with pytest.raises(UpstreamUnauthenticatedError) as caught:
        call(limits, ADA.credentials())  # in any language
    clock.advance(5)

    call(limits, ADA)
    assert (caught.value.extensions["upstreamStatus"], caught.value.call_was_made) == (401, False)


@pytest.mark.parametrize(
    "failure",
    [UpstreamUnauthenticatedError(""), UpstreamRateLimitedError("", retry_after_s=5)],
    ids=["refused", "held"],
)
def test_a_waiting_call_is_refused_after_another_one(
    limits: RateLimits, clock: FakeClock, failure: UpstreamError
) -> None:
    """A call whose caller is refused or held while it waits is not made, and prolongs neither."""
    with pytest.raises(type(failure)) as caught, limits.call(ADA) as (*_, check):
        check()
        call(limits, ADA, failure)
        clock.advance(2.5)
        check()
    clock.advance(2.5)

    call(limits, ADA)
    assert not caught.value.call_was_made


def test_unauthenticated_callers_share_one_share(limits: RateLimits, clock: FakeClock) -> None:
    """Until a caller was accepted, failures are counted for each: SuperOffice may be down."""
    slow = UpstreamTimeoutError("")  # proves nothing about the credentials

    def shares() -> list[tuple[str, str]]:
        return [call(limits, ADA, slow), call(limits, BOB, slow)]

    ada, bob = ADA.owner(), BOB.owner()
    assert shares() == [(STRANGERS, ada), (STRANGERS, bob)]
    call(limits, ADA)
    assert shares() == [(ada, ada), (STRANGERS, STRANGERS)]
    call(limits, BOB)
    refuse(limits, ADA)
    clock.advance(5)
    assert shares() == [(STRANGERS, STRANGERS), (bob, bob)]


def test_no_credential_is_stored(limits: RateLimits) -> None:
    """Only a digest with a key of its own is stored, which matches no other store or log."""
    hold(limits, ADA, 7)
    other = RateLimits()
    hold(other, ADA, 7)

    assert "ZGVtbzpkZW1v" not in repr(vars(limits))
    assert set(limits._until).isdisjoint(other._until)
