"""The filter of sessions as a function. Pure: it depends on the snapshot alone."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from strawberry.utils.str_converters import to_camel_case

from gateway.errors import BadUserInputError
from gateway.records import dates
from gateway.records.dates import AsOf
from gateway.schema.selecting.columns import Lists
from gateway.schema.selecting.filters import (
    LONGEST_SEARCH,
    ChatSessionFilter,
    DateTimeRange,
    IntRange,
)
from gateway.schema.selecting.folding import fold

Rows: TypeAlias = list[int]
Part: TypeAlias = Callable[[Lists, Rows], Rows]
"""Returns the rows that match, in the same order."""

SEARCHED = (
    "customer_name",
    "customer_alias",
    "customer_email",
    "customer_phone",
    "customer_company_name",
    "first_message",
    "last_message",
)
CLOCKS = {
    "wait_seconds": "when_requested.recent",
    "idle_seconds": "when_idle.recent",
    "customer_away_seconds": "when_fetched.recent",
}
"""The fields whose seconds run with the clock, and the times that they run from."""

_DEEPEST = 10
_MOST_PARTS = 50

_NO_LEAST, _NO_MOST = float("-inf"), float("inf")

_NO_OFFSET = (
    "SuperOffice's times have an offset, and this bound has none: give it one, for example Z."
)
_NO_ZONE = (
    "This bound has an offset, and SuperOffice's times have none: send the header `SO-TimeZone: "
    "UTC, includeTZOffset`, or a bound without an offset. Where SuperOffice ignores that header, "
    "the gateway's operator can set GATEWAY_TIME_ZONE."
)


class Filter:
    """A compiled filter; `select` applies it to rows of the lists that `reads` names.

    Raises:
        BadUserInputError: a range is reversed, a text too long, or the filter nested too deep.
            `select` raises it when a bound and a session's time cannot be compared.
    """

    def __init__(self, wanted: ChatSessionFilter | None, as_of: AsOf) -> None:
        self.parts = 0
        self.reads: set[str] = set()
        self.clocks: list[tuple[str, int]] = []
        """Fields of `CLOCKS`, with the seconds at which a session begins or ceases to match."""

        self._zone = as_of.zone
        self._folded: dict[str, str] = {}
        """The folded form of each `search`: the same text may occur many times in a filter."""

        self.select: Part = self._all_of(wanted, depth=0) if wanted else lambda _, rows: rows

    def _all_of(self, wanted: ChatSessionFilter, *, depth: int) -> Part:
        if depth > _DEEPEST:
            raise BadUserInputError(f"The filter is nested deeper than {_DEEPEST} levels.")
        given = [(name, value) for name, value in vars(wanted).items() if value is not None]
        return _every([self._part(name, value, depth) for name, value in given])

    def _part(self, name: str, value: Any, depth: int) -> Part:
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise BadUserInputError(f"The filter has more than {_MOST_PARTS} parts.")
        match name:
            case "and_":
                return _every([self._all_of(part, depth=depth + 1) for part in value])
            case "or_":
                return _some([self._all_of(part, depth=depth + 1) for part in value])
            case "not_":
                return _not(self._all_of(value, depth=depth + 1))
            case "search":
                return self._containing(value)
        self.reads.add(name)
        match value:
            case bool():
                return lambda lists, rows: [r for r in rows if lists[name][r] is value]
            case IntRange():
                ends = (value.min, None if value.max is None else value.max + 1)
                self.clocks += [(name, end) for end in ends if name in CLOCKS and end is not None]
                return _within(name, value.min, value.max)
            case DateTimeRange():
                return self._during(name, value)
        return _one_of(name, value.in_, value.not_in)

    def _containing(self, wanted: str) -> Part:
        if len(wanted) > LONGEST_SEARCH:
            raise BadUserInputError(
                f"`search` has {len(wanted)} characters; at most {LONGEST_SEARCH} are allowed."
            )
        if wanted not in self._folded:
            self._folded[wanted] = fold(wanted).strip()
        text = self._folded[wanted]
        if not text:
            return lambda _, rows: rows
        self.reads.add("search")
        return lambda lists, rows: [r for r in rows if text in lists["search"][r]]

    def _during(self, name: str, wanted: DateTimeRange) -> Part:
        start, end = (self._bound(text) for text in (wanted.from_, wanted.to))
        if start and end and start.is_instant == end.is_instant and start.ns > end.ns:
            raise BadUserInputError(
                f"`{to_camel_case(name)}.from` is later than `{to_camel_case(name)}.to`."
            )
        kinds = {bound.is_instant for bound in (start, end) if bound}
        least, most = start.ns if start else _NO_LEAST, end.ns if end else _NO_MOST
        has_zone = self._zone is not None  # not `self` in `during`: it would be a reference cycle
        if not has_zone:
            self.reads |= {f"{name}.zoned", "when_requested.zoned"}

        def during(lists: Lists, rows: Rows) -> Rows:
            times = lists[name]
            known = [row for row in rows if times[row] is not None]
            if not has_zone:
                # Each session has a `whenRequested`; one odd time says nothing about the others.
                zoned, requested = lists[f"{name}.zoned"], lists["when_requested.zoned"]
                usual = {requested[row] for row in rows} - {None} or {zoned[row] for row in known}
                if usual and not kinds <= usual:
                    raise BadUserInputError(_NO_OFFSET if True in usual else _NO_ZONE)
                known = [row for row in known if kinds <= {zoned[row]}]
            return [row for row in known if least <= times[row] < most]

        return during

    def _bound(self, text: str | None) -> "_Bound | None":
        if text is None:
            return None
        is_instant = self._zone is not None or dates.has_zone(text)
        return _Bound(is_instant, dates.nanoseconds(text, self._zone or dates.UTC))


class _Bound(NamedTuple):
    """A bound of a range: an instant or, without a known zone, wall time; in nanoseconds."""

    is_instant: bool
    ns: int


def clocks_of(wanted: ChatSessionFilter | None) -> Sequence[tuple[str, int]]:
    """Return the `clocks` of a filter, which are the same for every snapshot."""
    return Filter(wanted, AsOf(0)).clocks


def _every(parts: list[Part]) -> Part:
    def every(lists: Lists, rows: Rows) -> Rows:
        for part in parts:
            rows = part(lists, rows)
        return rows

    return every


def _some(parts: list[Part]) -> Part:
    def some(lists: Lists, rows: Rows) -> Rows:
        found: Rows = []
        for part in parts:
            if matching := part(lists, rows):
                found += matching
                rows = _without(rows, matching)
        return sorted(found)

    return some


def _not(part: Part) -> Part:
    return lambda lists, rows: _without(rows, part(lists, rows))


def _without(rows: Rows, others: Rows) -> Rows:
    left_out = frozenset(others)
    return [row for row in rows if row not in left_out]


def _one_of(name: str, wanted: list[Any] | None, unwanted: list[Any] | None) -> Part:
    ins, outs = None if wanted is None else frozenset(wanted), frozenset(unwanted or ())

    def one_of(lists: Lists, rows: Rows) -> Rows:
        values = lists[name]
        if ins is not None:
            rows = [row for row in rows if values[row] in ins]
        return [row for row in rows if values[row] not in outs] if outs else rows

    return one_of


def _within(name: str, least: int | None, most: int | None) -> Part:
    if least is not None and most is not None and least > most:
        raise BadUserInputError(
            f"`{to_camel_case(name)}.min` is greater than `{to_camel_case(name)}.max`."
        )
    low, high = _NO_LEAST if least is None else least, _NO_MOST if most is None else most

    def within(lists: Lists, rows: Rows) -> Rows:
        values = lists[name]
        return [row for row in rows if values[row] is not None and low <= values[row] <= high]

    return within
