"""Dates: passed on with all digits, except the dates that mean "no date"."""

import pytest

from tests.schema.asking import read

LONG_AGO = "0001-01-01T00:00:00"


@pytest.mark.parametrize(
    "rest",
    [
        LONG_AGO,
        f"{LONG_AGO}Z",
        f"{LONG_AGO}.0000000",
        f"{LONG_AGO}+00:00",
        f"{LONG_AGO}+0100",
        f"{LONG_AGO}-0500",
        f"{LONG_AGO}.0000000Z",
        "0001-01-01T01:00:00+01:00",
    ],
)
async def test_an_unset_date_is_null(rest: str) -> None:
    """The REST API writes year one for no date, in the requested zone."""
    session, answer = await read("whenEnded", {"WhenEnded": rest})

    assert (session["whenEnded"], answer.errors) == (None, [])


@pytest.mark.parametrize(
    "rest", ["1760-01-01T00:00:00", "1970-01-01T00:00:00", "1970-01-01T00:00:00Z"]
)
async def test_chats_and_tickets_have_more_unset_dates(rest: str) -> None:
    """The database's first day and the Unix epoch mean no date in chats and tickets."""
    session, answer = await read(
        "whenStarted ticket { closedAt } sale { saleDate }",
        {
            "WhenStarted": rest,
            "Ticket": {"TicketId": 1, "ClosedAt": rest},
            "Sale": {"SaleId": 1, "SaleDate": rest},
        },
    )

    assert (session["whenStarted"], session["ticket"]["closedAt"], answer.errors) == (
        None,
        None,
        [],
    )
    assert session["sale"]["saleDate"] == rest


@pytest.mark.parametrize("rest", ["1970-01-01T00:00:01", "1970-01-02T00:00:00"])
async def test_the_second_after_the_epoch_is_a_date(rest: str) -> None:
    """Only the epoch itself means no date."""
    session, _ = await read("whenStarted", {"WhenStarted": rest})

    assert session["whenStarted"] == rest


@pytest.mark.parametrize(
    ("rest", "graphql"),
    [
        ("2020-06-03T17:46:13", "2020-06-03T17:46:13"),
        ("2020-06-03T17:46:13Z", "2020-06-03T17:46:13Z"),
        ("2018-12-24T07:34:45-0500", "2018-12-24T07:34:45-05:00"),
        ("2018-12-24T07:34:45+0530", "2018-12-24T07:34:45+05:30"),
        ("2018-12-24T07:34:45+01:00", "2018-12-24T07:34:45+01:00"),
        ("2018-12-24T07:34:45+1400", "2018-12-24T07:34:45+14:00"),
        ("2018-12-24T07:34:45.5-0500", "2018-12-24T07:34:45.5-05:00"),
        ("2011-06-06T15:05:41.6710023+02:00", "2011-06-06T15:05:41.6710023+02:00"),
        ("9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999"),
        ("9999-12-31T23:59:59.9999999-0500", "9999-12-31T23:59:59.9999999-05:00"),
        ("2024-02-29T00:00:00", "2024-02-29T00:00:00"),
        ("0001-01-02T00:00:00", "0001-01-02T00:00:00"),
    ],
)
async def test_a_date_keeps_its_text_and_its_offset_gets_a_colon(rest: str, graphql: str) -> None:
    """A time without a zone stays without one, and no time is converted to another zone."""
    session, answer = await read("whenEnded", {"WhenEnded": rest})

    assert (session["whenEnded"], answer.errors) == (graphql, [])


@pytest.mark.parametrize("zone", ["", "Z", "+01:00"])
@pytest.mark.parametrize("digits", range(1, 8))
async def test_a_fraction_keeps_its_digits(digits: int, zone: str) -> None:
    """.NET counts units of 100 ns: up to seven digits, including trailing zeros."""
    rest = f"2020-08-19T17:12:16.{'9553620'[:digits]}{zone}"

    session, _ = await read("whenEnded", {"WhenEnded": rest})

    assert session["whenEnded"] == rest


ODD = [
    "",
    "soon",
    "2020-06-03",
    "2020-06-03 17:46:13",
    "2020-06-03T17:46",
    "2020-13-03T17:46:13",
    "2020-00-03T17:46:13",
    "2020-06-31T17:46:13",
    "2023-02-29T17:46:13",
    "2020-06-00T17:46:13",
    "2020-06-03T24:00:00",
    "2020-06-03T17:60:13",
    "2020-06-03T17:46:61",
    "2020-06-03T17:46:13.",
    "2020-06-03T17:46:13+1",
    "2020-06-03T17:46:13+15:00",
    "2020-06-03T17:46:13+01:60",
    "2020-06-03T17:46:13Z ",
    "2020-06-03T17:46:13\n",
    "20200603T174613",
    "/Date(1591206373000)/",
    "٢٠٢٠-06-03T17:46:13",
]


@pytest.mark.parametrize("rest", ODD)
async def test_an_invalid_date_is_null_with_an_error_at_its_path(rest: str) -> None:
    """Only the field of the invalid date is affected."""
    session, answer = await read("topicId whenEnded", {"TopicId": 4, "WhenEnded": rest})

    assert session == {"topicId": 4, "whenEnded": None}
    assert answer.paths == [["chatSessions", 0, "whenEnded"]]
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]


async def test_the_error_of_an_invalid_date_names_the_property_and_not_the_value() -> None:
    """A REST value may be a customer's data: messages do not quote it."""
    _, answer = await read("whenEnded", {"WhenEnded": "next Tuesday"})

    (message,) = answer.messages
    assert "WhenEnded" in message
    assert "Tuesday" not in message


async def test_an_invalid_date_that_is_not_selected_is_no_error() -> None:
    """Only selected fields are read."""
    _, answer = await read("topicId", {"TopicId": 4, "WhenEnded": "soon"})

    assert answer.errors == []
