"""The order of sessions: as GraphQL input, and as sort keys."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, TypeAlias

import strawberry

from gateway.errors import BadUserInputError
from gateway.schema.declare.inputs import optional, sparse
from gateway.schema.declare.rest_enum import member
from gateway.schema.entities.chat import ChatSession
from gateway.schema.selecting.columns import Columns, reader


@strawberry.enum(name="OrderDirection", description="The sort direction; null is last in both.")
class Direction(Enum):
    ASC = member("ASC", "Small before large, early before late.")
    DESC = member("DESC", "Large before small, late before early.")


@sparse
@strawberry.input(
    description="One sort key: set exactly one field. Null comes last in both directions. Sessions "
    "that are equal by all keys are in the order of `chatSessionId`."
)
class ChatSessionOrder:
    chat_session_id: Direction | None = optional("By key: the order in which sessions began.")
    topic_id: Direction | None = optional("By chat channel.")
    status: Direction | None = optional("By status, in the order of SuperOffice's numbers.")
    status_group: Direction | None = optional("By group: before the queue, waiting, live, over.")
    user: Direction | None = optional("By the agent's `fullName`, ignoring case and accents.")
    contact: Direction | None = optional("By the company's `name`, ignoring case and accents.")
    alert_level: Direction | None = optional("By escalation level.")
    rank: Direction | None = optional("By the index of the colour: see `ChatSession.rank`.")
    rating: Direction | None = optional("By the customer's rating; 0 = none, and comes last.")
    initial_queue_pos: Direction | None = optional("By place in the queue at the request.")
    customer_name: Direction | None = optional("By the customer's name, ignoring case and accents.")
    when_requested: Direction | None = optional("By time of request: `ASC` = longest wait first.")
    when_started: Direction | None = optional("By time of acceptance.")
    when_ended: Direction | None = optional("By time of the end.")
    when_idle: Direction | None = optional("By time of the last message.")


_MOST_KEYS = 15
_TEXTS = frozenset({"customer_name", "user", "contact", "id"})
_RUN = 1_000
_STEPS_TO_SORT = 2

Key: TypeAlias = int | str | None
Sortable: TypeAlias = tuple[tuple[int, object], ...]


class Order:
    """A total order of sessions: the keys of the request, then `chatSessionId`, then `id`."""

    def __init__(self, keys: Sequence[tuple[str, Direction]] = ()) -> None:
        self._keys = (*keys, ("chat_session_id", Direction.ASC), ("id", Direction.ASC))
        self._lists = [_list_of(name) for name, _ in self._keys]
        self._reads = [reader(name) for name in self._lists]

    @property
    def parts(self) -> int:
        """The number of its keys, without `id`, which is null unless `chatSessionId` is missing."""
        return len(self._keys) - 1

    @property
    def signature(self) -> str:
        """Return the text that identifies this order in a cursor."""
        return ",".join(f"{name} {direction.value}" for name, direction in self._keys[:-1])

    def keys(self, session: ChatSession) -> Sequence[Key]:
        """Return a session's place: a value per key, `chatSessionId`, and `id` if that is null."""
        return [read(session) for read in self._reads]

    def sortable(self, keys: Sequence[Key]) -> Sortable:
        """Make keys comparable: null last, and descending keys reversed."""
        return tuple(
            (1, 0) if key is None else (0, key if direction is Direction.ASC else _reversed(key))
            for key, (_, direction) in zip(keys, self._keys, strict=True)
        )

    def checked(self, keys: Sequence[Any]) -> Sortable:  # whatever a client sends
        """Make the keys of a cursor comparable.

        Raises:
            ValueError: they are not keys of this order.
        """
        kinds = [str if name in _TEXTS else int for name, _ in self._keys]
        if not all(k is None or type(k) is kind for k, kind in zip(keys, kinds, strict=True)):
            raise ValueError("A key has another type than those of this order.")
        return self.sortable(keys)

    async def sort(self, columns: Columns, rows: Iterable[int]) -> list[int]:
        """Return the rows in this order: sorted by each key, the most significant last."""
        lists = await columns.load(self._lists)
        ordered = [*rows]
        for name, (_, direction) in zip(self._lists[::-1], self._keys[::-1], strict=True):
            values = lists[name]
            known = [row for row in ordered if values[row] is not None]
            unknown = [row for row in ordered if values[row] is None]
            # In runs, yielding to other requests: to merge sorted runs takes little time.
            for start in range(0, len(known), _RUN):
                run = known[start : start + _RUN]
                run.sort(key=values.__getitem__, reverse=direction is Direction.DESC)
                known[start : start + _RUN] = run
                await columns.turns.spend(len(run) * _STEPS_TO_SORT)
            if len(known) > _RUN:
                known.sort(key=values.__getitem__, reverse=direction is Direction.DESC)
            ordered = known + unknown
        return ordered


def order_of(wanted: Sequence[ChatSessionOrder]) -> Order:
    """Read an `orderBy`.

    Raises:
        BadUserInputError: an entry names no key or several, or there are too many of them.
    """
    if len(wanted) > _MOST_KEYS:
        raise BadUserInputError(f"`orderBy` has {len(wanted)} keys, more than {_MOST_KEYS}.")
    keys = []
    for number, entry in enumerate(wanted):
        named = [(name, value) for name, value in vars(entry).items() if value is not None]
        if len(named) != 1:
            raise BadUserInputError(
                f"`orderBy[{number}]` has to name one field, not {len(named)}: several keys are "
                "several entries, such as [{status: ASC}, {whenRequested: ASC}]."
            )
        keys += named
    return Order(keys)


def _list_of(key: str) -> str:
    """Return the name of the list that a key compares."""
    has_own = key in {"status", "status_group", *_TEXTS} or key.startswith("when_")
    return f"{key}.order" if has_own else key


def _reversed(key: int | str) -> object:
    """Return a value that sorts in reverse: a text comes before its own prefixes."""
    return -key if isinstance(key, int) else (*(-ord(char) for char in key), 1)
