"""The `DateTime` scalar: REST's dates, passed on without losing a digit.

REST writes `2026-01-31T17:46:13`, with 0-7 digits of fraction, with or without `Z`, `+0100` or
`+01:00`. Python's datetime knows six digits and no "forever" with seven nines, so dates stay text.
Text form: ISO 8601 / RFC 3339, but for times without zone, which RFC 3339 does not have.
"""

import datetime as dt
import re
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import BadUserInputError

__all__ = ["SCALARS", "DateTime", "is_unset", "normalise"]

DateTime = NewType("DateTime", str)

_DATE_TIME = re.compile(
    r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:Z|(?P<hours>[+-](?:0\d|1[0-4])):?(?P<minutes>[0-5]\d))?",
    re.ASCII,
)


def is_unset(text: str) -> bool:
    """Tell REST's "no date": year one, whatever zone it was shifted to."""
    return text.startswith("0001-01-01")


def normalise(text: str) -> DateTime:
    """Check a date and print its offset with a colon; everything else stays as it is.

    Raises:
        ValueError: `text` is no date that the calendar has.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 date-time")
    if match["day"] > "28":
        dt.date(int(match["year"]), int(match["month"]), int(match["day"]))
    if match["hours"] is None or text[-3] == ":":
        return DateTime(text)
    return DateTime(f"{text[:-2]}:{match['minutes']}")


def _parse_input(value: object) -> DateTime:
    try:
        return normalise(value if isinstance(value, str) else "")
    except ValueError as exc:
        example = "2026-01-31T17:46:13, 2026-01-31T16:46:13Z or 2026-01-31T17:46:13+01:00"
        raise BadUserInputError(f"A DateTime is written like {example}.") from exc


SCALARS: dict[object, ScalarDefinition] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "A date and time in ISO 8601 as REST sent it: `2026-01-31T17:46:13`, with a fraction "
            "of up to seven digits where it is not zero, and with `Z` or an offset such as "
            "`+01:00` only when the request's `SO-TimeZone` header asks for it "
            "(`SO-TimeZone: UTC, includeTZOffset`). A time without zone is wall time in the "
            "tenant's base zone, or in the zone that `SO-TimeZone` names. Never the unset date: "
            "that is null. `9999-12-31T23:59:59.9999999` means for ever."
        ),
        serialize=str,
        parse_value=_parse_input,
        specified_by_url="https://www.iso.org/iso-8601-date-and-time-format.html",
    )
}
