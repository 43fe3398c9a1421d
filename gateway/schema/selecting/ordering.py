"""In which order sessions come: as GraphQL input, and as sort keys."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

import strawberry

from gateway.errors import BadUserInputError
from gateway.records import dates
from gateway.records.dates import AsOf
from gateway.records.record import Malformed
from gateway.schema.declare.inputs import sparse
from gateway.schema.declare.rest_enum import number_of
from gateway.schema.selecting.matching import fold


@strawberry.enum(name="OrderDirection", description="Which way to sort; null comes last in both.")
class Direction(Enum):
    ASC = strawberry.enum_value("ASC", description="Small before large, early before late.")
    DESC = strawberry.enum_value("DESC", description="Large before small, late before early.")


def _by(description: str) -> Any:
    return strawberry.field(default=None, description=description)


@sparse
@strawberry.input(
    description="One key to sort by: give exactly one field. Null comes last either way. What is "
    "equal by every key comes in the order of `chatSessionId`."
)
class ChatSessionOrder:
    chat_session_id: Direction | None = _by("By key: the order in which sessions began.")
    topic_id: Direction | None = _by("By chat channel.")
    status: Direction | None = _by("By status, in the order of REST's numbers for them.")
    alert_level: Direction | None = _by("By escalation level.")
    rank: Direction | None = _by("By the place among the agent's open sessions.")
    rating: Direction | None = _by("By the customer's rating.")
    initial_queue_pos: Direction | None = _by("By the place in the queue at the time of request.")
    customer_name: Direction | None = _by(
        "By the customer's name; upper and lower case and accents make no difference."
    )
    when_requested: Direction | None = _by("By time of request: `ASC` = longest wait first.")
    when_started: Direction | None = _by("By time of acceptance.")
    when_ended: Direction | None = _by("By time of the end.")
    when_idle: Direction | None = _by("By time of the last message.")


_MOST_KEYS = 12

Keys = tuple[int | str | None, ...]
"""A session's place in an order: one value per key, `chatSessionId`, and `id` without that."""


class Order:
    """A total order of sessions: the keys asked for, then `chatSessionId`."""

    def __init__(self, keys: Sequence[tuple[str, Direction]] = ()) -> None:
        self._keys = (*keys, ("chat_session_id", Direction.ASC))
        self._getters = [_getter(name) for name, _ in self._keys]

    @property
    def signature(self) -> str:
        """Tell this order from others, in a cursor."""
        return ",".join(f"{name} {direction.value}" for name, direction in self._keys)

    def keys(self, session: Any) -> Keys:
        """Return a session's place in the order."""
        keys = tuple(get(session) for get in self._getters)
        # What REST should not send, a session without a key, has only its content to go by.
        return (*keys, session.id if keys[-1] is None else None)

    def sortable(self, keys: Keys) -> tuple[Any, ...]:
        """Make keys comparable: null last, and what is descending the other way round."""
        pairs = zip(keys, (*self._keys, ("id", Direction.ASC)), strict=True)
        return tuple(
            (1, 0) if key is None else (0, key if direction is Direction.ASC else _Descending(key))
            for key, (_, direction) in pairs
        )

    def fits(self, keys: Iterable[object]) -> bool:
        """Tell whether values could be keys of this order."""
        kinds = [str if name == "customer_name" else int for name, _ in self._keys] + [str]
        values = list(keys)
        return len(values) == len(kinds) and all(
            value is None or type(value) is kind for value, kind in zip(values, kinds, strict=True)
        )

    def sort(self, sessions: Iterable[Any]) -> list[Any]:
        """Return the sessions in this order."""
        return sorted(sessions, key=lambda session: self.sortable(self.keys(session)))


def order_of(wanted: Sequence[ChatSessionOrder]) -> Order:
    """Read an `orderBy`.

    Raises:
        BadUserInputError: an entry names no key or several, or there are too many of them.
    """
    if len(wanted) > _MOST_KEYS:
        raise BadUserInputError(f"`orderBy` has {len(wanted)} keys; at most {_MOST_KEYS} are used.")
    keys = []
    for number, entry in enumerate(wanted):
        named = [(name, way) for name, way in vars(entry).items() if way is not None]
        if len(named) != 1:
            raise BadUserInputError(
                f"`orderBy[{number}]` has to name one field, not {len(named)}: several keys are "
                "several entries, such as [{status: ASC}, {whenRequested: ASC}]."
            )
        keys += named
    return Order(keys)


class _Descending:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # a sort key, never a member of a set


def _getter(name: str) -> Callable[[Any], int | str | None]:
    convert = _CONVERT.get(name)

    def get(session: Any) -> Any:
        value = getattr(session, name)
        if value is None or isinstance(value, Malformed):
            return None
        return convert(value, session.as_of) if convert else value

    return get


def _time(text: str, as_of: AsOf) -> int:
    # Wall time of an unknown zone still has an order of its own. In units of REST's last digit,
    # 100 ns, all of the calendar fits into 64 bits, which is what a cursor's JSON holds.
    return dates.nanoseconds(text, as_of.zone or dates.UTC) // 100


_CONVERT: dict[str, Callable[[Any, AsOf], int | str | None]] = {
    "status": lambda status, _: number_of(status),
    "customer_name": lambda name, _: fold(name),
    "when_requested": _time,
    "when_started": _time,
    "when_ended": _time,
    "when_idle": _time,
}
