"""The filter of sessions as a function. Pure: it depends on the snapshot alone."""

import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from strawberry.utils.str_converters import to_camel_case

from gateway.errors import BadUserInputError
from gateway.records import dates
from gateway.records.dates import AsOf
from gateway.records.record import Record, valid
from gateway.schema.declare.nodes import LINKS
from gateway.schema.entities.chat import ChatSession
from gateway.schema.selecting.filters import (
    LONGEST_SEARCH,
    ChatSessionFilter,
    DateTimeRange,
    IntRange,
)

T = TypeVar("T")
Matches: TypeAlias = Callable[[ChatSession], bool]
Get: TypeAlias = Callable[[ChatSession], T]

SEARCHED = (
    "customer_name",
    "customer_alias",
    "customer_email",
    "customer_phone",
    "customer_company_name",
    "first_message",
    "last_message",
)
_DEEPEST = 10
_MOST_PARTS = 50
# Letters that Unicode does not define as another letter with an accent, but people search as such.
_LETTERS = {"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th"}


def matcher(wanted: ChatSessionFilter | None, as_of: AsOf, searched: Collection[str]) -> Matches:
    """Make the predicate of a filter.

    `searched` names the fields that `search` may read.

    Raises:
        BadUserInputError: a range is reversed, a text too long, or the filter nested too deep.
            The function raises it when a bound and a session's time cannot be compared.
    """
    return _Matching(as_of, searched).all_of(wanted, depth=0) if wanted else lambda _: True


def fold(text: str) -> str:
    """Remove case and accents from a text."""
    bare, folded = _tables()
    # First, as Unicode sorts accents that follow each other, in time quadratic in their number.
    unaccented = text.translate(bare)
    # Each step can require the other: a bold "A" has no lower case until it is decomposed.
    caseless = unicodedata.normalize("NFKD", unaccented).casefold()
    return unicodedata.normalize("NFKD", caseless).translate(folded)


@cache
def _tables() -> tuple[dict[int, str], dict[int, str]]:
    """Return the tables that remove accents: before normalising, and after it."""
    accents = [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))]
    # These decompose into accents alone; U+0345 is a letter once its case is folded.
    bare = {*accents, *"\u0f73\u0f75\u0f81\uff9e\uff9f"} - {"\u0345"}
    return (
        str.maketrans(dict.fromkeys(bare, "")),
        str.maketrans({**dict.fromkeys(accents, ""), **_LETTERS}),
    )


def key_of(linked: object) -> object:
    """Return the key of a linked record; None without a link or a valid key."""
    if isinstance(linked, Record) and linked.key:
        return valid(getattr(linked, linked.key))
    return None


def _getter(name: str) -> Get[object]:
    """Return what reads a part of the filter: a linked record's key, or the field of this name."""
    link = name.removesuffix("_id")
    if link in LINKS:
        return lambda session: key_of(getattr(session, link))
    return _GETTERS.get(name) or attrgetter(name)


_GETTERS: dict[str, Get[object]] = {
    "assigned": lambda session: valid(session.user) is not None,
    "transfer_pending": lambda session: valid(session.transfer_to) is not None,
}


class _Matching:
    """Builds the function of one filter, for one snapshot."""

    def __init__(self, as_of: AsOf, searched: Collection[str]) -> None:
        self._as_of = as_of
        self._searched = [attrgetter(name) for name in searched]
        self._parts = 0
        self._wanted: dict[str, str] = {}
        """The folded form of each `search`: the same text may occur many times in a filter."""

    def all_of(self, wanted: ChatSessionFilter, *, depth: int) -> Matches:
        if depth > _DEEPEST:
            raise BadUserInputError(f"The filter is nested deeper than {_DEEPEST} levels.")
        given = [(name, value) for name, value in vars(wanted).items() if value is not None]
        parts = [self._part(name, value, depth) for name, value in given]
        return lambda session: all(part(session) for part in parts)

    def _part(self, name: str, value: Any, depth: int) -> Matches:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise BadUserInputError(f"The filter has more than {_MOST_PARTS} parts.")
        match name:
            case "and_":
                every = [self.all_of(part, depth=depth + 1) for part in value]
                return lambda session: all(part(session) for part in every)
            case "or_":
                some = [self.all_of(part, depth=depth + 1) for part in value]
                return lambda session: any(part(session) for part in some)
            case "not_":
                unwanted = self.all_of(value, depth=depth + 1)
                return lambda session: not unwanted(session)
            case "search":
                return self._containing(value)
            case _:
                return self._compared(to_camel_case(name), _getter(name), value)

    def _containing(self, wanted: str) -> Matches:
        if len(wanted) > LONGEST_SEARCH:
            raise BadUserInputError(
                f"`search` has {len(wanted)} characters; at most {LONGEST_SEARCH} are allowed."
            )
        if wanted not in self._wanted:
            self._wanted[wanted] = fold(wanted)
        text = self._wanted[wanted]

        def is_found(session: ChatSession) -> bool:
            if session.folded is None:
                # Once per snapshot: the fields are the same for all requests.
                values = (valid(get(session)) for get in self._searched)
                session.folded = [fold(value) for value in values if value]
            return any(text in value for value in session.folded or ())

        return is_found if text else lambda _: True

    def _compared(self, name: str, get: Get[Any], value: Any) -> Matches:
        if isinstance(value, bool):
            return lambda session: get(session) is value
        if isinstance(value, IntRange):
            return _within(name, get, value.min, value.max)
        if isinstance(value, DateTimeRange):
            return self._during(name, get, value)
        return _one_of(get, value.in_, value.not_in)

    def _during(self, name: str, get: Get[str | None], wanted: DateTimeRange) -> Matches:
        start, end = (self._placed(bound) for bound in (wanted.from_, wanted.to))
        if start and end and start[0] == end[0] and start[1] > end[1]:
            raise BadUserInputError(f"`{name}.from` is later than `{name}.to`.")

        def is_during(session: ChatSession) -> bool:
            time = self._placed(valid(get(session)))
            if time is None:
                return False
            for bound in (start, end):
                if bound and bound[0] != time[0]:
                    raise BadUserInputError(_INCOMPARABLE)
            return (not start or start[1] <= time[1]) and (not end or time[1] < end[1])

        return is_during

    def _placed(self, text: str | None) -> tuple[bool, int] | None:
        """Return whether a time is an instant, not wall time, and its nanoseconds."""
        if text is None:
            return None
        zone = self._as_of.zone
        return zone is not None or dates.has_zone(text), dates.nanoseconds(text, zone or dates.UTC)


_INCOMPARABLE = (
    "A bound with an offset cannot be compared with REST's times, which have none, or the other "
    "way round. Send the header `SO-TimeZone: UTC, includeTZOffset` and bounds with an offset, or "
    "bounds without one, or let the gateway's operator set GATEWAY_TIME_ZONE."
)


def _one_of(
    get: Get[object], wanted: list[object] | None, unwanted: list[object] | None
) -> Matches:
    ins = None if wanted is None else frozenset(wanted)
    outs = frozenset(unwanted or ())

    def is_one(session: ChatSession) -> bool:
        value = valid(get(session))
        return (ins is None or value in ins) and value not in outs

    return is_one


def _within(name: str, get: Get[int | None], least: int | None, most: int | None) -> Matches:
    if least is not None and most is not None and least > most:
        raise BadUserInputError(f"`{name}.min` is greater than `{name}.max`.")

    def is_within(session: ChatSession) -> bool:
        value = valid(get(session))
        if value is None:
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return is_within
