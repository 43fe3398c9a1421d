"""A filter as a function of a session. Pure: the snapshot is all it looks at."""

import unicodedata
from collections.abc import Callable, Collection
from typing import Any

from strawberry.utils.str_converters import to_camel_case

from gateway.errors import BadUserInputError
from gateway.records import dates
from gateway.records.dates import AsOf
from gateway.records.record import Malformed, Record
from gateway.schema.selecting.filters import (
    LONGEST_SEARCH,
    ChatSessionFilter,
    DateTimeRange,
    IntRange,
)

Matches = Callable[[Any], bool]
Get = Callable[[Any], Any]

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
# What is folded away, and the letters that Unicode does not take for an accented other one, but
# people who search do.
_ACCENTS = [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))]
_LETTERS = {"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th"}
_FOLDED = str.maketrans({**dict.fromkeys(_ACCENTS, ""), **_LETTERS})
# The accents and what becomes nothing but accents, without the one that is a letter when its case
# is folded.
_BARE = str.maketrans(dict.fromkeys([*_ACCENTS, *"\u0f73\u0f75\u0f81\uff9e\uff9f"], ""))
del _BARE[0x345]


def matcher(wanted: ChatSessionFilter | None, as_of: AsOf, searched: Collection[str]) -> Matches:
    """Make the function that tells whether a session is wanted.

    `searched` names the fields that `search` may look into.

    Raises:
        BadUserInputError: a range is upside down, a text too long, or the filter nested too deep.
            The function raises it when a bound and a session's time cannot be compared.
    """
    return _Matching(as_of, searched).all_of(wanted, depth=0) if wanted else lambda _: True


def fold(text: str) -> str:
    """Take case and accents off a text."""
    # Accents that follow each other are sorted, in time that grows with the square of their number.
    bare = text.translate(_BARE)
    # Either step makes work for the other: a bold "A" is no capital until it is decomposed.
    caseless = unicodedata.normalize("NFKD", bare).casefold()
    return unicodedata.normalize("NFKD", caseless).translate(_FOLDED)


def field_of(name: str) -> Get:
    """Make the function that reads a field; what REST should not have sent reads as None."""

    def get(session: Any) -> Any:
        value = getattr(session, name)
        return None if isinstance(value, Malformed) else value

    return get


def _key(link: str, key: str) -> Get:
    get_link, get_key = field_of(link), field_of(key)

    def get(session: Any) -> Any:
        linked = get_link(session)
        return None if linked is None else get_key(linked)

    return get


def _is_linked(link: str) -> Get:
    return lambda session: isinstance(getattr(session, link), Record)


_GETTERS: dict[str, Get] = {
    "user_id": _key("user", "associate_id"),
    "person_id": _key("person", "person_id"),
    "contact_id": _key("contact", "contact_id"),
    "project_id": _key("project", "project_id"),
    "sale_id": _key("sale", "sale_id"),
    "ticket_id": _key("ticket", "ticket_id"),
    "assigned": _is_linked("user"),
    "transfer_pending": _is_linked("transfer_to"),
    **{
        name: field_of(name)
        for name in (
            "status",
            "status_group",
            "chat_session_id",
            "topic_id",
            "chatbot_is_active",
            "customer_consented",
            "alert_level",
            "when_requested",
            "when_started",
            "when_ended",
            "when_idle",
        )
    },
}


class _Matching:
    """Builds the function of one filter over one snapshot."""

    def __init__(self, as_of: AsOf, searched: Collection[str]) -> None:
        self._as_of = as_of
        self._searched = [field_of(name) for name in searched]
        self._parts = 0
        self._wanted: dict[str, str] = {}
        """What is searched for, as it is and folded: it may be the same in many places."""

    def all_of(self, wanted: ChatSessionFilter, *, depth: int) -> Matches:
        if depth > _DEEPEST:
            raise BadUserInputError(f"The filter is nested deeper than {_DEEPEST} levels.")
        parts = [
            self._part(name, value, depth)
            for name, value in vars(wanted).items()
            if value is not None
        ]
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
                return self._compared(to_camel_case(name), _GETTERS[name], value)

    def _containing(self, wanted: str) -> Matches:
        if len(wanted) > LONGEST_SEARCH:
            raise BadUserInputError(
                f"`search` has {len(wanted)} characters; at most {LONGEST_SEARCH} are allowed."
            )
        if wanted not in self._wanted:
            self._wanted[wanted] = fold(wanted)
        text = self._wanted[wanted]

        def is_found(session: Any) -> bool:
            if session.folded is None:
                # Once per snapshot: a schema always searches the same fields.
                values = (get(session) for get in self._searched)
                session.folded = [fold(value) for value in values if value]
            return any(text in value for value in session.folded)

        return is_found if text else lambda _: True

    def _compared(self, name: str, get: Get, value: Any) -> Matches:
        if isinstance(value, bool):
            return lambda session: get(session) is value
        if isinstance(value, IntRange):
            return _within(name, get, value.min, value.max)
        if isinstance(value, DateTimeRange):
            return self._during(name, get, value)
        return _one_of(get, value.in_, value.not_in)

    def _during(self, name: str, get: Get, wanted: DateTimeRange) -> Matches:
        start, end = (self._placed(bound) for bound in (wanted.from_, wanted.to))
        if start and end and start[0] == end[0] and start[1] > end[1]:
            raise BadUserInputError(f"`{name}.from` is later than `{name}.to`.")

        def is_during(session: Any) -> bool:
            time = self._placed(get(session))
            if time is None:
                return False
            for bound in (start, end):
                if bound and bound[0] != time[0]:
                    raise BadUserInputError(_INCOMPARABLE)
            return (not start or start[1] <= time[1]) and (not end or time[1] < end[1])

        return is_during

    def _placed(self, text: str | None) -> tuple[bool, int] | None:
        """Return whether a time is an instant or else wall time, and its nanoseconds."""
        if text is None:
            return None
        zone = self._as_of.zone
        return zone is not None or dates.has_zone(text), dates.nanoseconds(text, zone or dates.UTC)


_INCOMPARABLE = (
    "A bound with an offset cannot be compared with REST's times, which have none, or the other "
    "way round. Send the header `SO-TimeZone: UTC, includeTZOffset` and bounds with an offset, or "
    "bounds without one, or let the gateway's operator set GATEWAY_TIME_ZONE."
)


def _one_of(get: Get, wanted: list[Any] | None, unwanted: list[Any] | None) -> Matches:
    ins = None if wanted is None else frozenset(wanted)
    outs = frozenset(unwanted or ())

    def is_one(session: Any) -> bool:
        value = get(session)
        return (ins is None or value in ins) and value not in outs

    return is_one


def _within(name: str, get: Get, least: int | None, most: int | None) -> Matches:
    if least is not None and most is not None and least > most:
        raise BadUserInputError(f"`{name}.min` is greater than `{name}.max`.")

    def is_within(session: Any) -> bool:
        value = get(session)
        if value is None:
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return is_within
