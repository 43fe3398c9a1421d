"""The effect of language and time zone headers on an answer."""

import re

import pytest

from gateway.demo.wire import Wire
from tests.demo.asking import KARI, NOON, Json, sessions_of

SUPPLIER = ("Leverandør", "Supplier", "Lieferant")
RAW = 'NO:"Leverandør";US:"Supplier";GE:"Lieferant"'
UNSET = "0001-01-01T00:00:00"
DATES = ["WhenRequested", "WhenStarted", "WhenEnded", "WhenIdle", "WhenFetched"]


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, RAW),
        ({"accept-language": " "}, RAW),
        ({"accept-language": "nb-NO,nb;q=0.9,en;q=0.8"}, "Leverandør"),
        ({"accept-language": "en"}, "Supplier"),
        ({"accept-language": "ja,de;q=0.4,en;q=0.7"}, "Supplier"),
        ({"accept-language": "de;q=oops,no;q=0.1"}, "Leverandør"),
        ({"accept-language": "ja"}, "Supplier"),
        ({"accept-language": "en", "so-language": "GE"}, "Lieferant"),
        ({"accept-language": "en", "so-language": "FR"}, "Supplier"),
        ({"accept-language": "en", "so-language": "*"}, RAW),
        ({"accept-language": "en", "so-language": "x"}, RAW),
    ],
    ids=str,
)
def test_a_list_text_is_in_the_requested_language(headers: dict[str, str], text: str) -> None:
    """Without a language it has all of them; SO-Language wins, and can request all."""
    assert Wire.from_headers(headers).text(SUPPLIER) == text


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("", "2026-11-23T12:00:00"),
        ("NO", "2026-11-23T12:00:00"),
        ("261", "2026-11-23T12:00:00"),
        ("Mars", "2026-11-23T12:00:00"),
        ("UTC", "2026-11-23T11:00:00"),
        ("UK", "2026-11-23T11:00:00"),
        ("DK", "2026-11-23T12:00:00"),
        ("jp", "2026-11-23T20:00:00"),
        ("US-NY", "2026-11-23T06:00:00"),
        ("UTC, includeTZOffset", "2026-11-23T11:00:00+0000"),
        ("NO,includetzoffset", "2026-11-23T12:00:00+0100"),
        ("US-NY, includeTZOffset", "2026-11-23T06:00:00-0500"),
    ],
)
def test_a_date_is_wall_time_in_the_requested_zone(zone: str, written: str) -> None:
    """The offset is omitted unless requested, and has no colon."""
    assert Wire.from_headers({"so-timezone": zone}).date(NOON) == written


@pytest.mark.parametrize(
    ("ticks", "fraction"), [(0, ""), (9_553_621, ".9553621"), (5_000_000, ".5"), (1, ".0000001")]
)
def test_a_fraction_is_written_only_when_it_is_not_zero(ticks: int, fraction: str) -> None:
    """A fraction has up to seven digits, without trailing zeros."""
    assert Wire().date(NOON, ticks) == "2026-11-23T12:00:00" + fraction


def test_an_unset_date_never_gets_an_offset() -> None:
    """The first moment of the calendar cannot be shifted west."""
    assert Wire(zone="US-NY", has_offset=True).date(None) == UNSET


async def test_a_stamp_is_in_utc_with_any_zone() -> None:
    """Project.Updated does not change with the zone header."""
    stamps = []
    for zone in ("NO", "JP"):
        answer = await sessions_of(KARI, so_timezone=zone)
        stamps.append([s["Project"]["Updated"] for s in answer if s["Project"]])

    assert stamps[0]
    assert stamps[0] == stamps[1]


async def test_a_published_project_never_expires() -> None:
    """The upper bound of all dates stands for ever."""
    projects = [s["Project"] for s in await sessions_of(KARI, sessions=50) if s["Project"]]
    ends = {project["IsPublished"]: project["PublishTo"] for project in projects}

    assert ends == {True: "9999-12-31T23:59:59.9999999", False: UNSET}


async def test_every_set_date_has_the_offset() -> None:
    """Clients that read times with an offset alone can read the whole demo."""
    answer = await sessions_of(KARI, sessions=50, so_timezone="UTC, includeTZOffset")
    dates = re.findall(r"\d{4}-\d\d-\d\dT[^'\"]*", str(answer))

    assert "9999-12-31T23:59:59.9999999+0000" in dates
    assert {date[-5:] for date in dates if date != UNSET} == {"+0000"}


async def test_the_dates_of_a_session_follow_the_zone_header() -> None:
    """All five dates have the requested offset, or are unset."""
    answer = await sessions_of(KARI, so_timezone="UTC, includeTZOffset")
    dates = [session[name] for session in answer for name in DATES]

    assert UNSET in dates
    assert all(
        re.fullmatch(r"2026-11-23T1\d:\d\d:\d\d(\.\d{1,7})?\+0000", date)
        for date in dates
        if date != UNSET
    )


def raw_texts(answer: list[Json]) -> list[str]:
    """Return the untranslated texts in an answer."""
    return re.findall(r"SR_\w+|NO:", str(answer))


async def test_an_answer_without_a_language_has_raw_texts() -> None:
    """Reasons, labels and list texts are resource ids, or have all languages at once."""
    answer = await sessions_of(KARI)

    assert {"NO:", "SR_AL_ADDRESS1", "SR_MANDATORY_FIELD_1281"} <= set(raw_texts(answer))
    assert "[SR_MANDATORY_FIELD_1281]" in str(answer)


@pytest.mark.parametrize("language", ["nb", "en", "de"])
async def test_an_answer_with_a_language_has_no_raw_texts(language: str) -> None:
    """Every text that can be translated is translated."""
    assert raw_texts(await sessions_of(KARI, sessions=50, accept_language=language)) == []


@pytest.mark.parametrize("language", ["", "no"])
async def test_a_country_is_named_in_the_language_of_the_installation(language: str) -> None:
    """No header translates it."""
    answer = await sessions_of(KARI, sessions=100, accept_language=language)

    names = {s["Contact"]["CountryName"] for s in answer if s["Contact"]}
    assert names == {"Norway", "Germany", "United Kingdom", "Japan"}
