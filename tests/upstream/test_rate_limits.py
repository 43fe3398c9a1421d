"""Callers that REST has asked to slow down are held off, each for itself, and not for long."""

import pytest

from gateway.errors import UpstreamRateLimitedError, UpstreamUnauthenticatedError
from gateway.headers import Header
from gateway.upstream import rate_limits as module
from gateway.upstream.rate_limits import RateLimits
from tests.upstream.clock import FakeClock

ADA: list[Header] = [(b"authorization", b"Basic ZGVtbzpkZW1v"), (b"accept-language", b"en")]
BOB: list[Header] = [(b"authorization", b"Basic Ym9iOmJvYg=="), (b"accept-language", b"en")]


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def holds(clock: FakeClock) -> RateLimits:
    """Return holds of nobody."""
    return RateLimits(clock=clock)


def seconds_left(holds: RateLimits, headers: list[Header]) -> int | None:
    """Return for how long a caller is told to wait; None if it is not held."""
    try:
        holds.check(holds.name(headers))
    except UpstreamRateLimitedError as exc:
        return exc.retry_after_s
    return None


def test_a_caller_is_held_until_its_time_has_come(holds: RateLimits, clock: FakeClock) -> None:
    """It is told the seconds that are left, rounded up, so that it never comes too early."""
    holds.add(holds.name(ADA), 7)
    assert seconds_left(holds, ADA) == 7

    clock.advance(5.5)
    assert seconds_left(holds, ADA) == 2

    clock.advance(1.5)
    assert seconds_left(holds, ADA) is None


def test_others_are_not_held_with_it(holds: RateLimits) -> None:
    """It is one caller that was too fast."""
    holds.add(holds.name(ADA), 7)

    assert seconds_left(holds, BOB) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([ADA[0], (b"accept-language", b"nb")], id="language"),
        pytest.param([*ADA, (b"so-timezone", b"UTC")], id="time zone"),
        pytest.param([*ADA, (b"x-request-id", b"17"), (b"traceparent", b"00-1")], id="trace"),
    ],
)
def test_a_caller_is_the_same_in_whatever_form_it_asks(
    holds: RateLimits, other: list[Header]
) -> None:
    """REST counts users, not languages."""
    holds.add(holds.name(ADA), 7)

    assert seconds_left(holds, other) == 7


@pytest.mark.parametrize("name", [b"so-apptoken", b"cookie", b"x-xsrf-token"])
def test_every_credential_tells_callers_apart(holds: RateLimits, name: bytes) -> None:
    """Whatever may name another user or another application."""
    holds.add(holds.name([(name, b"1")]), 7)

    assert seconds_left(holds, [(name, b"1")]) == 7
    assert seconds_left(holds, [(name, b"2")]) is None


def test_nobody_is_held_longer_than_a_minute(holds: RateLimits) -> None:
    """A mistake of REST does not lock a caller out for a day."""
    holds.add(holds.name(ADA), 86_400)

    assert seconds_left(holds, ADA) == 60


def test_the_latest_word_holds(holds: RateLimits) -> None:
    """Also when it is shorter."""
    holds.add(holds.name(ADA), 30)
    holds.add(holds.name(ADA), 3)

    assert seconds_left(holds, ADA) == 3


def test_what_is_over_is_forgotten(holds: RateLimits, clock: FakeClock) -> None:
    """The next check drops it, and costs nothing afterwards."""
    holds.add(holds.name(ADA), 3)
    clock.advance(3)
    holds.check("")

    assert not holds._until


def test_a_short_hold_behind_a_long_one_ends_in_time(holds: RateLimits, clock: FakeClock) -> None:
    """It may be kept longer, but not held to."""
    holds.add(holds.name(BOB), 60)
    holds.add(holds.name(ADA), 3)
    clock.advance(3)

    assert seconds_left(holds, ADA) is None
    assert seconds_left(holds, BOB) == 57


def test_there_is_a_bound_to_how_many_are_remembered(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes: it has waited longest."""
    monkeypatch.setattr(module, "_MOST", 2)
    holds = RateLimits(clock=clock)
    for number in range(3):
        holds.add(holds.name([(b"authorization", b"%d" % number)]), 60)

    assert seconds_left(holds, [(b"authorization", b"0")]) is None
    assert seconds_left(holds, [(b"authorization", b"2")]) == 60


def test_a_refusal_counts_for_five_seconds_and_for_nobody_else(
    holds: RateLimits, clock: FakeClock
) -> None:
    """The account may be unlocked, and others have passwords of their own."""
    holds.refused(holds.name(ADA))
    holds.check(holds.name(BOB))
    with pytest.raises(UpstreamUnauthenticatedError) as caught:
        holds.check(holds.name([ADA[0]]))  # in whatever language
    clock.advance(5)

    holds.check(holds.name(ADA))
    assert not caught.value.call_was_made


def test_callers_that_were_never_accepted_share_one_share(holds: RateLimits) -> None:
    """As soon as somebody was accepted: before, nobody can be told from anybody."""
    ada, bob = holds.name(ADA), holds.name(BOB)
    before = holds.share_of(bob)
    holds.accepted(ada)

    assert (before, holds.share_of(ada), holds.share_of(bob)) == (bob, ada, module.STRANGERS)
    holds.accepted(bob)
    holds.refused(ada)
    assert (holds.share_of(ada), holds.share_of(bob)) == (module.STRANGERS, bob)


def test_no_credential_is_kept(holds: RateLimits) -> None:
    """Only a digest, with a key of its own: nothing that another store or log could match."""
    holds.add(holds.name(ADA), 7)
    other = RateLimits()
    other.add(other.name(ADA), 7)

    assert "ZGVtbzpkZW1v" not in repr(vars(holds))
    assert set(holds._until).isdisjoint(other._until)
