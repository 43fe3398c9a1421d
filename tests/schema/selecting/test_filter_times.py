"""Ranges of times: half-open, exact to the last digit, and without guesses about zones."""

import datetime as dt
from typing import Any

import pytest

from gateway.errors import BadUserInputError
from gateway.schema.declare.scalars import DateTime
from gateway.schema.selecting.filters import DateTimeRange
from tests.schema.selecting.desk import OSLO, Desk, matching, records
from tests.support import CREDENTIALS, RestSide, gateway_over

PARTS = [
    ("when_requested", "WhenRequested"),
    ("when_started", "WhenStarted"),
    ("when_ended", "WhenEnded"),
    ("when_idle", "WhenIdle"),
]
TEN, NOON, TWO = "2026-11-23T10:00:00", "2026-11-23T12:00:00", "2026-11-23T14:00:00"


def range_of(start: str | None = None, end: str | None = None) -> DateTimeRange:
    """Make a range of times from texts."""
    return DateTimeRange(
        from_=None if start is None else DateTime(start), to=None if end is None else DateTime(end)
    )


ZONE = r"times have none: send.*SO-TimeZone.*GATEWAY_TIME_ZONE"
OFFSET = "this bound has none: give it one"


@pytest.mark.parametrize(("part", "rest"), PARTS)
@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (range_of(NOON), [2, 3]),
        (range_of(None, NOON), [1]),
        (range_of(TEN, TWO), [1, 2]),
        (range_of(NOON, NOON), []),
        (range_of(TWO + ".0000001"), []),
        (range_of(), [1, 2, 3]),
    ],
)
def test_a_range_includes_its_start_and_excludes_its_end(
    part: str, rest: str, condition: DateTimeRange, ids: list[int]
) -> None:
    """Half-open ranges of consecutive days fit together; a missing time is in no range."""
    times = [TEN, NOON, TWO, "0001-01-01T00:00:00", None, "noon", 12]
    desk = records(*({rest: time} for time in times), {})

    assert matching(desk, **{part: condition}) == ids


@pytest.mark.parametrize(("part", "rest"), PARTS)
def test_a_reversed_range_of_times_is_refused(part: str, rest: str) -> None:
    """A reversed range could only match nothing; the message has the schema's names."""
    name = rest[0].lower() + rest[1:]

    with pytest.raises(BadUserInputError, match=f"`{name}.from` is later than `{name}.to`"):
        matching([], **{part: range_of(TWO, TEN)})


def test_every_digit_of_a_fraction_counts() -> None:
    """SuperOffice writes seven digits, more than Python's datetime stores."""
    desk = records(*({"WhenIdle": f"{NOON}.{digits}"} for digits in ("1234567", "1234568", "12")))

    ids = matching(desk, when_idle=range_of(f"{NOON}.1234567", f"{NOON}.1234568"))

    assert ids == [1]


@pytest.mark.parametrize(
    ("zone", "time", "bound", "is_after"),
    [
        # Wall times with wall times: no zone is needed.
        (None, "2026-11-23T12:00:00", "2026-11-23T12:00:00", True),
        (None, "2026-11-23T11:59:59", "2026-11-23T12:00:00", False),
        # Instants with instants: each has its offset.
        (None, "2026-11-23T12:00:00+01:00", "2026-11-23T11:00:00Z", True),
        (None, "2026-11-23T12:00:00+0100", "2026-11-23T12:00:00Z", False),
        # A time without an offset is in the known zone.
        (OSLO, "2026-11-23T12:00:00", "2026-11-23T11:00:00Z", True),
        (OSLO, "2026-11-23T12:00:00", "2026-11-23T11:00:01Z", False),
        (OSLO, "2026-11-23T11:00:00Z", "2026-11-23T12:00:00", True),
        (OSLO, "2026-11-23T11:00:00Z", "2026-11-23T12:00:01", False),
        (OSLO, "2026-11-23T12:00:00", "2026-11-23T12:00:00", True),
        (dt.UTC, "2026-11-23T12:00:00", "2026-11-23T13:00:00+01:00", True),
    ],
)
def test_times_are_compared_in_their_own_zones(
    zone: dt.tzinfo | None, time: str, bound: str, is_after: bool
) -> None:
    """An offset determines the instant; without one the known zone does."""
    desk = records({"WhenRequested": time}, zone=zone)

    ids = matching(desk, when_requested=range_of(bound))

    assert ids == ([1] if is_after else [])


@pytest.mark.parametrize(
    ("time", "condition", "advice"),
    [
        ("2026-11-23T12:00:00", range_of("2026-11-23T11:00:00Z"), ZONE),
        ("2026-11-23T12:00:00", range_of(None, "2026-11-23T11:00:00Z"), ZONE),
        ("2026-11-23T11:00:00Z", range_of("2026-11-23T12:00:00"), OFFSET),
        ("2026-11-23T11:00:00Z", range_of("2026-11-01T00:00:00Z", "2026-11-23T12:00:00"), OFFSET),
        ("2026-11-23T11:00:00", range_of("2026-11-24T00:00:00", "2026-11-23T12:00:00Z"), ZONE),
    ],
)
def test_wall_time_of_an_unknown_zone_is_not_compared_with_an_instant(
    time: str, condition: DateTimeRange, advice: str
) -> None:
    """Any answer would be a guess, up to a day wrong; the message has advice."""
    desk = records({"WhenRequested": time})

    with pytest.raises(BadUserInputError, match=advice):
        matching(desk, when_requested=condition)


def test_a_session_without_the_time_needs_no_zone() -> None:
    """A missing time is not compared."""
    desk = records({}, {"WhenRequested": "0001-01-01T00:00:00"})

    assert matching(desk, when_requested=range_of("2026-11-23T11:00:00Z")) == []


@pytest.mark.parametrize(
    ("bound", "found"), [("2026-11-23T11:00:00Z", 1), ("2026-11-23T11:00:00", 2)]
)
def test_an_odd_time_matches_no_bound(bound: str, found: int) -> None:
    """A time that cannot be compared does not match, as long as others can be compared."""
    desk = records(
        {"WhenRequested": "2026-11-23T12:00:00Z"}, {"WhenRequested": "2026-11-23T12:00:00"}
    )

    assert matching(desk, when_requested=range_of(bound)) == [found]


def test_an_odd_time_of_one_session_does_not_refuse_the_others() -> None:
    """Whether times have a zone is seen by `WhenRequested`, which all sessions have."""
    now = {"WhenRequested": "2026-11-23T12:00:00Z"}
    desk = records(now, now | {"WhenEnded": "2026-11-23T12:00:00"})
    plain = records({"WhenRequested": "2026-11-23T12:00:00"})

    assert matching(desk, when_ended=range_of("2026-11-23T11:00:00Z")) == []
    with pytest.raises(BadUserInputError, match=ZONE):
        matching(plain, when_ended=range_of("2026-11-23T11:00:00Z"))


def test_the_ends_of_a_range_are_compared_as_instants() -> None:
    """12:00 in Oslo is earlier than 11:30 in London."""
    desk = records({"WhenRequested": "2026-11-23T11:15:00Z"})
    condition = range_of("2026-11-23T12:00:00+01:00", "2026-11-23T11:30:00Z")

    assert matching(desk, when_requested=condition) == [1]
    with pytest.raises(BadUserInputError, match="later"):
        matching(desk, when_requested=range_of("2026-11-23T11:30:00Z", "2026-11-23T12:00:00+01:00"))


@pytest.mark.parametrize("edge", ["0001-01-02T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00"])
@pytest.mark.parametrize("zone", [None, dt.UTC, OSLO])
def test_the_ends_of_the_calendar_can_be_bounds(edge: str, zone: dt.tzinfo | None) -> None:
    """No offset moves a date beyond the calendar."""
    desk = records({"WhenRequested": "2026-11-23T11:00:00Z"}, zone=zone)

    ids = matching(desk, when_requested=range_of(edge))

    assert ids == ([1] if edge.startswith("0001") else [])


@pytest.mark.parametrize("bound", ["noon", "2026-02-30T00:00:00", "0000-01-01T00:00:00Z", "", 12])
async def test_a_bound_that_is_no_date_is_bad_input(bound: object) -> None:
    """The year 0 is no date either."""
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"

    error = await Desk().refusal(query, {"f": {"whenIdle": {"from": bound}}})

    assert "whenIdle.from" in error
    assert "A DateTime is written like 2026-01-31T17:46:13" in error


# The session's time has no zone, and the bound is 12:00 in Oslo. None: it is unknown.
@pytest.mark.parametrize(
    ("setting", "header", "is_match"),
    [
        (None, None, None),
        ("Europe/Oslo", None, True),
        ("America/New_York", None, False),
        (None, "UTC", None),
        (None, "utc, includeTZOffset", None),
        ("Europe/Oslo", "UTC", None),
        ("Europe/Oslo", "NO", None),
        ("Europe/Oslo", "261", None),
        (None, "US-NY, includeTZOffset", None),
    ],
)
async def test_the_configured_zone_applies_only_without_a_zone_header(
    rest: RestSide, setting: str | None, header: str | None, is_match: bool | None
) -> None:
    """With a header the zone of such times is unknown: SuperOffice may have ignored the header."""
    rest.body = [{"ChatSessionId": 1, "WhenRequested": "2026-11-23T12:00:00"}]
    query = """{ chatSessions(filter: {whenRequested:
      {from: "2026-11-23T11:00:00Z", to: "2026-11-23T11:00:01Z"}}) { chatSessionId } }"""
    headers = {**CREDENTIALS, **({"SO-TimeZone": header} if header else {})}

    async with gateway_over(rest, time_zone=setting) as gateway:
        answer: Any = (await gateway.post(query, headers=headers)).json()

    if is_match is None:
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    else:
        assert answer == {"data": {"chatSessions": [{"chatSessionId": 1}] if is_match else []}}
