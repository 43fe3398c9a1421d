"""Check and print dates of the REST API, and convert them to instants if their zone is known.

SuperOffice writes `2026-01-31T17:46:13`, with 0-7 digits of fraction, with or without `Z`,
`+0100` or `+01:00`. Python's datetime has six digits, and SuperOffice's "never" has seven nines. So
dates remain text, and instants are integers: nanoseconds since 1970 in UTC.
"""

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

MOST_DATES = 20_000
"""The number of dates to cache: a user's snapshots repeat them, and so do those of colleagues."""

_DATE_TIME = re.compile(
    r"(?P<second>(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)"
    r"(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?",
    re.ASCII,
)
_MISSING_SECONDS = re.compile(r"(?<=T\d\d:\d\d)(?=Z|[+-]|\Z)", re.ASCII)
UTC = dt.UTC
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)
_HOUR_NS = 3_600_000_000_000
_AHEAD_NS = 60_000_000_000
"""How much SuperOffice's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """The time of a snapshot, and the zone of its times without an offset, if that is known."""

    fetched_ns: int
    zone: dt.tzinfo | None = None
    passed_ns: int = 0
    """The time since `fetched_ns`, for the event of an alarm."""

    @property
    def now_ns(self) -> int:
        """The time to which computed seconds are counted."""
        return self.fetched_ns + self.passed_ns

    def instant(self, text: str) -> int | None:
        """Convert a checked date to an instant; None without a known zone."""
        if self.zone is None and not has_zone(text):
            return None
        return nanoseconds(text, self.zone or UTC)

    def recent(self, text: str) -> int | None:
        """Convert the date of a recent event, from which seconds to now are counted.

        A wall time that occurs twice when summer time ends is the second one here, unless that is
        in the future: otherwise all customers would seem to have waited an hour.
        """
        first = self.instant(text)
        if first is None or self.zone is None or not 0 <= self.fetched_ns - first < 2 * _HOUR_NS:
            return first
        second = nanoseconds(text, self.zone, fold=1)
        return second if second < self.fetched_ns + _AHEAD_NS else first

    def fetched_at(self) -> str:
        """Print the time of the snapshot, to the millisecond, in UTC."""
        moment = _EPOCH + dt.timedelta(milliseconds=self.fetched_ns // 1_000_000)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


UNSET = ("0001-01-01",)
"""The beginnings of SuperOffice's "no date": year one, in any zone."""

UNSET_BY_SERVICE = (*UNSET, "1760-01-01", "1970-01-01T00:00:00")
"""The beginnings of "no date" in a chat or ticket.

SuperOffice Service writes these: there it can also be the database's first day or the Unix epoch.
"""


def normalise(text: str) -> str:
    """Check a date, and print its offset with a colon; the rest stays as it is.

    Raises:
        ValueError: the calendar has no such date.
    """
    zone = _parts(text)["zone"] or "Z"
    return text if zone == "Z" or ":" in zone else f"{text[:-2]}:{text[-2:]}"


def normalise_input(text: str) -> str:
    """Check a client's date, which may have no seconds: Java omits them if they are zero.

    Raises:
        ValueError: the calendar has no such date.
    """
    return normalise(_MISSING_SECONDS.sub(":00", text))


def _parts(text: str) -> re.Match[str]:
    if (match := _DATE_TIME.fullmatch(text)) is None:
        raise ValueError("not an ISO 8601 date-time")
    if text[8:10] > "28":
        dt.date.fromisoformat(text[:10])
    return match


def has_zone(text: str) -> bool:
    """Return whether a checked date names its zone."""
    return _parts(text)["zone"] is not None


@lru_cache(MOST_DATES)
def nanoseconds(text: str, zone: dt.tzinfo, fold: int = 0) -> int:
    """Return a checked date's nanoseconds since 1970, in `zone` unless the text has its own.

    A wall time that occurs twice when summer time ends is the first of the two, or with a `fold`
    of 1 the second (PEP 495).
    """
    match = _parts(text)
    moment = dt.datetime.fromisoformat(f"{match['second']}{match['zone'] or ''}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone, fold=fold)
    seconds = (moment - _EPOCH) // _SECOND
    return seconds * 1_000_000_000 + int((match["fraction"] or "").ljust(9, "0"))
