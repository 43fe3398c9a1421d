"""Fields computed from a session: its group, and its wait, duration and idle time."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records.dates import AsOf, nanoseconds, normalise
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.chat_decoder import complete, decode
from gateway.schema.entities.enums import ChatSessionStatus
from tests.schema.selecting.desk import NOON_NS, OSLO, Desk, Json, record
from tests.support import CREDENTIALS, RestSide, gateway_over

UNSET = "0001-01-01T00:00:00"

# The snapshot was taken at 2026-11-23T12:00:00Z.
REQUESTED, ACCEPTED = "2026-11-23T11:00:00Z", "2026-11-23T11:01:30Z"
IDLE, ENDED = "2026-11-23T11:30:00Z", "2026-11-23T11:40:00Z"

GROUPS = {
    "Invalid": None,
    "PreChatForm": StatusGroup.PRE_QUEUE,
    "Faq": StatusGroup.PRE_QUEUE,
    "OfflineForm": StatusGroup.PRE_QUEUE,
    "InQueue": StatusGroup.WAITING,
    "CustomerLast": StatusGroup.LIVE,
    "UserLast": StatusGroup.LIVE,
    "Finished": StatusGroup.OVER,
    "Deleted": StatusGroup.OVER,
    "Closed": StatusGroup.OVER,
    "RequestPosted": StatusGroup.OVER,
    "ClosedFromQueue": StatusGroup.OVER,
}


def test_every_status_is_in_the_table_above() -> None:
    """A new status is tested too."""
    names = [m.name for m in ChatSessionStatus if m is not ChatSessionStatus.UNRECOGNIZED]

    assert list(GROUPS) == [name.title().replace("_", "") for name in names]


@pytest.mark.parametrize(("status", "group"), GROUPS.items())
def test_a_status_has_its_group(status: str, group: StatusGroup | None) -> None:
    """Groups are before the queue, in it, live, and over; all except over are open."""
    session = record(Status=status)

    assert session.status_group is group
    assert session.is_open is (None if group is None else group is not StatusGroup.OVER)


@pytest.mark.parametrize("status", ["Revived", "InQueue, Closed", 99, "", None, True, {}])
def test_an_unknown_status_has_no_group(status: object) -> None:
    """With an unknown status it is unknown whether the session is open."""
    session = record(Status=status)

    assert (session.status_group, session.is_open) == (None, None)


def test_a_missing_status_has_no_group() -> None:
    """Fields that depend on a missing property are null."""
    assert (record().status_group, record().is_open) == (None, None)


def times(session: Any) -> tuple[int | None, int | None, int | None]:
    """Return a session's wait, duration and idle time."""
    return session.wait_seconds, session.duration_seconds, session.idle_seconds


@pytest.mark.parametrize(
    ("name", "session", "expected"),
    [
        (
            "waiting",
            {"Status": "InQueue", "WhenRequested": REQUESTED, "WhenIdle": REQUESTED},
            (3600, None, 3600),
        ),
        (
            "filling in the form",
            {"Status": "PreChatForm", "WhenRequested": REQUESTED, "WhenStarted": UNSET},
            (3600, None, None),
        ),
        (
            "live",
            {
                "Status": "UserLast",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenIdle": IDLE,
                "WhenEnded": UNSET,
            },
            (90, 3510, 1800),
        ),
        (
            "ended",
            {
                "Status": "Closed",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenIdle": IDLE,
                "WhenEnded": ENDED,
            },
            (90, 2310, None),
        ),
        (
            "never accepted",
            {
                "Status": "ClosedFromQueue",
                "WhenRequested": REQUESTED,
                "WhenStarted": UNSET,
                "WhenIdle": IDLE,
                "WhenEnded": ENDED,
            },
            (2400, None, None),
        ),
        (
            "over since an unknown time",
            {"Status": "Closed", "WhenRequested": REQUESTED, "WhenStarted": ACCEPTED},
            (90, None, None),
        ),
        (
            "over before it was accepted, at an unknown time",
            {"Status": "Deleted", "WhenRequested": REQUESTED},
            (None, None, None),
        ),
        (
            "of an unknown status",
            {"Status": "Revived", "WhenRequested": REQUESTED, "WhenIdle": IDLE},
            (3600, None, 1800),
        ),
        ("without a request", {"Status": "InQueue"}, (None, None, None)),
        (
            "malformed",
            {
                "Status": "UserLast",
                "WhenRequested": "soon",
                "WhenStarted": ACCEPTED,
                "WhenIdle": 7,
                "WhenEnded": UNSET,
            },
            (None, 3510, None),
        ),
        (
            "with a malformed start",
            {"Status": "UserLast", "WhenRequested": REQUESTED, "WhenStarted": "soon"},
            (None, None, None),
        ),
        (
            "with a malformed end",
            {
                "Status": "Closed",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenEnded": [],
            },
            (90, None, None),
        ),
        (
            "with a malformed end, never accepted",
            {"Status": "Closed", "WhenRequested": REQUESTED, "WhenEnded": []},
            (None, None, None),
        ),
        (
            "with clocks that disagree",
            {
                "Status": "UserLast",
                "WhenRequested": "2026-11-23T12:00:03Z",
                "WhenStarted": "2026-11-23T12:00:02Z",
                "WhenIdle": "2026-11-23T12:00:09Z",
            },
            (0, 0, 0),
        ),
        (
            "with fractions",
            {
                "Status": "UserLast",
                "WhenRequested": "2026-11-23T11:00:00.9999999Z",
                "WhenStarted": "2026-11-23T11:00:02.9999998Z",
                "WhenIdle": "2026-11-23T11:59:58.0000001Z",
            },
            (1, 3597, 1),
        ),
        (
            "with offsets",
            {
                "Status": "UserLast",
                "WhenRequested": "2026-11-23T12:00:00+0100",
                "WhenStarted": "2026-11-23T06:01:30-05:00",
                "WhenIdle": "2026-11-23T12:30:00+01:00",
            },
            (90, 3510, 1800),
        ),
        (
            "reset into the queue",
            {
                "Status": "InQueue",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenIdle": IDLE,
            },
            (3600, None, 1800),
        ),
        (
            "reset into the queue, after its end",
            {
                "Status": "InQueue",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenEnded": ENDED,
            },
            (3600, None, None),
        ),
        (
            "reset into the queue, with a malformed start",
            {"Status": "InQueue", "WhenRequested": REQUESTED, "WhenStarted": "soon"},
            (3600, None, None),
        ),
        (
            "reset to the form before the chat",
            {"Status": "PreChatForm", "WhenRequested": REQUESTED, "WhenStarted": ACCEPTED},
            (3600, None, None),
        ),
        (
            "reset, and ended in the queue",
            {
                "Status": "ClosedFromQueue",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenEnded": ENDED,
            },
            (2400, None, None),
        ),
        (
            "revived after its end",
            {
                "Status": "CustomerLast",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenIdle": IDLE,
                "WhenEnded": ENDED,
            },
            (90, 3510, 1800),
        ),
        (
            "of an unknown status, with an end",
            {
                "Status": "Revived",
                "WhenRequested": REQUESTED,
                "WhenStarted": ACCEPTED,
                "WhenIdle": IDLE,
                "WhenEnded": ENDED,
            },
            (90, 2310, None),
        ),
        (
            "from another century",
            {"Status": "UserLast", "WhenRequested": "1900-01-01T00:00:00Z", "WhenIdle": IDLE},
            (None, None, 1800),
        ),
        (
            "for ever",
            {
                "Status": "Closed",
                "WhenRequested": REQUESTED,
                "WhenStarted": REQUESTED,
                "WhenEnded": "9999-12-31T23:59:59.9999999Z",
            },
            (0, None, None),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_times_of_a_session(
    name: str, session: Json, expected: tuple[int | None, int | None, int | None]
) -> None:
    """Whole seconds, as of the snapshot; null if an end is unknown or 32 bits are too few."""
    assert times(record(session)) == expected


@pytest.mark.parametrize(
    ("status", "fetched", "seconds"),
    [
        ("InQueue", "2026-11-23T11:59:15Z", 45),
        ("UserLast", "2026-11-23T11:59:15Z", 45),
        ("PreChatForm", "2026-11-23T12:00:01Z", 0),
        ("Closed", "2026-11-23T11:59:15Z", None),
        ("Revived", "2026-11-23T11:59:15Z", 45),
        ("InQueue", "2026-11-23T11:59:15", None),
        ("InQueue", UNSET, None),
        ("InQueue", 7, None),
    ],
)
def test_a_customer_is_away_since_the_last_poll(
    status: str, fetched: object, seconds: int | None
) -> None:
    """The absence is known until the session is over, if the last poll has a time and a zone."""
    assert record(Status=status, WhenFetched=fetched).customer_away_seconds == seconds


def queued(number: int, topic: object, minute: object, status: str = "InQueue") -> Json:
    """Return a session of a channel, requested in a minute before noon."""
    requested = f"2026-11-23T11:{minute}:00" if isinstance(minute, int) else minute
    return {
        "ChatSessionId": number,
        "TopicId": topic,
        "Status": status,
        "WhenRequested": requested,
    }


def test_each_channel_has_a_queue_of_its_own() -> None:
    """Positions follow the time of request, then the key; only waiting sessions have one."""
    sessions = decode(
        json.dumps(
            [
                queued(1, 10, 30),
                queued(2, 10, 20),
                queued(3, 30, 10),
                queued(4, 10, 20),
                queued(5, 10, 11, "UserLast"),
                queued(6, None, 11),
                queued(7, 10, UNSET),
                queued(8, "x", 11),
                queued(9, 10, "soon"),
            ]
        ).encode()
    )

    complete(sessions, topic_names={})

    assert [s.queue_position for s in sessions] == [3, 1, 1, 2, None, None, None, None, None]


async def test_channels_have_their_configured_names(rest: RestSide) -> None:
    """Sessions and the summary have them; other channels have none."""
    rest.body = [queued(n, topic, 30) for n, topic in enumerate((10, 10, 30, None), 1)]
    query = """{
      chatSessions { topicName queuePosition }
      chatSessionSummary { byTopic { topicId topicName } }
    }"""

    async with gateway_over(rest, topic_names="10=Sales,40=Help") as gateway:
        data = await gateway.ask(query)

    sales = {"topicName": "Sales"}
    assert data["chatSessions"] == [
        {**sales, "queuePosition": 1},
        {**sales, "queuePosition": 2},
        {"topicName": None, "queuePosition": 1},
        {"topicName": None, "queuePosition": None},
    ]
    assert data["chatSessionSummary"]["byTopic"] == [
        {"topicId": 10, **sales},
        {"topicId": 30, "topicName": None},
        {"topicId": None, "topicName": None},
    ]


LIVE = {
    "Status": "UserLast",
    "WhenRequested": "2026-11-23T12:00:00",
    "WhenStarted": "2026-11-23T12:01:30",
    "WhenIdle": "2026-11-23T12:30:00",
}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (None, (None, None, None)),
        (OSLO, (90, 3510, 1800)),
        (dt.timezone(dt.timedelta(hours=-1)), (90, 0, 0)),
    ],
)
def test_times_without_a_zone_need_one(
    zone: dt.tzinfo | None, expected: tuple[int | None, int | None, int | None]
) -> None:
    """Wall time of an unknown zone is no instant, and nothing is guessed."""
    assert times(record(LIVE, zone=zone)) == expected


def test_an_instant_is_used_even_if_other_times_have_no_zone() -> None:
    """Each field needs only its own two ends."""
    session = record(LIVE, WhenIdle=IDLE)

    assert times(session) == (None, None, 1800)


def test_a_repeated_hour_counts_as_the_first_one() -> None:
    """When summer time ends, 02:30 in Oslo is 00:30Z and then again 01:30Z."""
    session = record(
        zone=OSLO,
        Status="Closed",
        WhenRequested="2026-10-25T01:30:00",
        WhenStarted="2026-10-25T02:30:00",
        WhenEnded="2026-10-25T03:30:00",
    )

    assert times(session)[:2] == (3600, 7200)


def test_in_the_repeated_hour_a_customer_has_just_come() -> None:
    """A time is the later one of two while that has just been, the earlier one if it is to come."""
    session = record(
        zone=OSLO,
        fetched_ns=nanoseconds("2026-10-25T01:20:00Z", dt.UTC),  # 02:20 for the second time
        Status="InQueue",
        WhenRequested="2026-10-25T02:50:00",
        WhenIdle="2026-10-25T02:19:00",
        WhenFetched="2026-10-25T02:20:05",  # by a clock that is ahead
    )

    assert session.wait_seconds == 1_800
    assert session.idle_seconds == 60
    assert session.customer_away_seconds == 0
    ended = {"Status": "Closed", "WhenStarted": "2026-10-25T02:10:00"}
    over = record(
        zone=OSLO,
        fetched_ns=nanoseconds("2026-10-25T01:40:00Z", dt.UTC),
        **ended,
        WhenEnded="2026-10-25T02:30:00",
    )
    assert over.duration_seconds == 1_200


def test_the_missing_hour_of_spring_is_not_counted() -> None:
    """When summer time begins, one hour passes from 01:30 to 03:30 in Oslo."""
    session = record(
        zone=OSLO, WhenRequested="2026-03-29T01:30:00", WhenStarted="2026-03-29T03:30:00"
    )

    assert session.wait_seconds == 3600


@pytest.mark.parametrize(
    ("elapsed_s", "expected"), [(2**31 - 1, 2**31 - 1), (2**31, None), (0, 0), (-1, 0)]
)
def test_a_time_fits_in_a_graphql_int(elapsed_s: int, expected: int | None) -> None:
    """An Int has 32 bits; longer times are null, and negative ones 0."""
    fetched_ns = nanoseconds(REQUESTED, dt.UTC) + elapsed_s * 1_000_000_000

    session = record(fetched_ns=fetched_ns, Status="InQueue", WhenRequested=REQUESTED)

    assert session.wait_seconds == expected


def test_a_session_has_the_time_of_its_snapshot() -> None:
    """The time is in UTC, rounded down to the millisecond."""
    session = record(fetched_ns=NOON_NS + 1_999_999)

    assert session.fetched_at == "2026-11-23T12:00:00.001Z"


async def test_computed_fields_are_as_of_the_snapshot() -> None:
    """A client can continue to count from `fetchedAt`."""
    desk = Desk([{"Status": "InQueue", "WhenRequested": REQUESTED}])

    data = await desk.ask("{ chatSessions { statusGroup isOpen waitSeconds fetchedAt } }")

    assert data["chatSessions"] == [
        {
            "statusGroup": "WAITING",
            "isOpen": True,
            "waitSeconds": 3600,
            "fetchedAt": "2026-11-23T12:00:00.000Z",
        }
    ]


async def test_a_malformed_status_is_one_error_and_not_three() -> None:
    """The fields that depend on it are just null."""
    result = await Desk([{"Status": True}]).answer("{ chatSessions { status statusGroup isOpen } }")

    assert [error.path for error in result.errors] == [["chatSessions", 0, "status"]]


@pytest.mark.parametrize(
    ("setting", "header", "seconds"),
    [
        (None, None, None),
        ("Europe/Oslo", None, 60),
        (None, "UTC", None),
        (None, "UTC, includeTZOffset", None),
        ("Europe/Oslo", "UTC, includeTZOffset", None),
        ("Europe/Oslo", "UTC", None),
        ("Europe/Oslo", "NO", None),
        ("Europe/Oslo", "UTC+1", None),
        ("Europe/Oslo", "", 60),
    ],
)
async def test_the_configured_zone_applies_only_without_a_zone_header(
    rest: RestSide, setting: str | None, header: str | None, seconds: int | None
) -> None:
    """With a header the zone of such times is unknown: SuperOffice may have ignored the header."""
    rest.body = [{"WhenRequested": "2026-11-23T12:00:00", "WhenStarted": "2026-11-23T12:01:00"}]
    headers = {**CREDENTIALS, **({} if header is None else {"SO-TimeZone": header})}

    async with gateway_over(rest, time_zone=setting) as gateway:
        answer = (await gateway.post("{ chatSessions { waitSeconds } }", headers=headers)).json()

    assert answer == {"data": {"chatSessions": [{"waitSeconds": seconds}]}}


@given(
    st.from_regex(
        r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?\Z",
        alphabet=st.characters(codec="ascii"),
    ),
    st.sampled_from(["", "Z", "+0000", "+14:00", "-14:59", "+05:30", "-0800"]),
    st.sampled_from([None, dt.UTC, OSLO]),
)
def test_every_valid_date_can_be_computed_with(
    text: str, offset: str, zone: dt.tzinfo | None
) -> None:
    """No valid date breaks a computation, at either end of the calendar."""
    try:
        checked = normalise(text + offset)
    except ValueError:
        return

    instant = AsOf(NOON_NS, zone).instant(checked)

    assert (instant is not None) == bool(zone or offset)
