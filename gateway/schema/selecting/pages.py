"""Pages of a list: `limit` and `offset`, and connections with cursors.

A cursor holds a session's sort keys, not its index, so that pages neither repeat nor skip a session
when others are added or removed in between.
Source: GraphQL Cursor Connections, https://relay.dev/graphql/connections.htm.
"""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import orjson
import strawberry
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from strawberry import relay

from gateway.errors import BadUserInputError
from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.entities.chat import ChatSession
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.ordering import Order, Sortable

T = TypeVar("T")

_LARGEST_PAGE = 10_000
_LARGEST_OFFSET = 1_000_000
_STEPS_FOR_EDGE = 30


@strawberry.type(description="A page of the caller's sessions, and its place among all of them.")
class ChatSessionConnection(relay.Connection[ChatSession]):  # type: ignore[type-var]  # our Node
    total_count: int = described("How many sessions match the filter, on all pages.")
    fetched_at: DateTime = described("When this data was fetched, in UTC.")


def cut(rows: Sequence[T], limit: int | None, offset: int | None) -> Sequence[T]:
    """Take `limit` sessions after the first `offset` ones.

    Raises:
        BadUserInputError: a number is negative or too large.
    """
    limit = _checked("limit", limit, _LARGEST_PAGE)
    start = _checked("offset", offset, _LARGEST_OFFSET) or 0
    return rows[start:] if limit is None else rows[start : start + limit]


async def connect(
    columns: Columns,
    rows: Sequence[int],
    order: Order,
    cipher: AESSIV,
    *,
    fetched_at: str,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> ChatSessionConnection:
    """Make the connection of sessions whose rows are sorted by `order`.

    `cipher` encrypts the texts in cursors.

    Raises:
        BadUserInputError: a number is negative or too large, a cursor is invalid or of another
            order, or `first` and `last` are both given.
    """
    first = _checked("first", first, _LARGEST_PAGE)
    last = _checked("last", last, _LARGEST_PAGE)
    if first is not None and last is not None:
        raise BadUserInputError("Give `first` or `last`, not both: they are different ends.")
    sessions, cursors = columns.sessions, _Cursors(order, cipher)

    def place(row: int) -> Sortable:
        return order.sortable(order.keys(sessions[row]))

    start, end = 0, len(rows)
    if after is not None:
        start = bisect_right(rows, cursors.place("after", after), key=place)
    if before is not None:
        end = max(start, bisect_left(rows, cursors.place("before", before), key=place))
    if first is not None:
        end = min(end, start + first)
    if last is not None:
        start = max(start, end - last)
    edges: list[Any] = []  # relay.Edge, whose bound is Strawberry's own Node
    for row in rows[start:end]:
        edges.append(relay.Edge(node=sessions[row], cursor=cursors.of(sessions[row])))
        await columns.turns.spend(_STEPS_FOR_EDGE)
    return ChatSessionConnection(
        edges=edges,
        page_info=relay.PageInfo(
            has_next_page=end < len(rows),
            has_previous_page=start > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=len(rows),
        fetched_at=DateTime(fetched_at),
    )


def _checked(name: str, number: int | None, largest: int) -> int | None:
    if number is None or number is strawberry.UNSET:
        return None
    if not 0 <= number <= largest:
        raise BadUserInputError(f"`{name}` has to be from 0 to {largest}, not {number}.")
    return number


class _Cursors(NamedTuple):
    """Writes and reads the cursors of an order. They go into URLs and logs: texts are encrypted."""

    order: Order
    cipher: AESSIV

    def of(self, session: ChatSession) -> str:
        encrypt, keys = self.cipher.encrypt, self.order.keys(session)
        shown = [encrypt(k.encode(), None).hex() if k and isinstance(k, str) else k for k in keys]
        return base64.urlsafe_b64encode(orjson.dumps([self.order.signature, *shown])).decode()

    def place(self, name: str, cursor: str) -> Sortable:
        try:
            parts = orjson.loads(base64.urlsafe_b64decode(cursor))
        except (binascii.Error, ValueError):
            parts = None
        if not isinstance(parts, list) or not parts:
            raise BadUserInputError(f"`{name}` is not a cursor of this connection.")
        decrypt, (signature, *shown) = self.cipher.decrypt, parts
        with suppress(ValueError, InvalidTag):
            if signature == self.order.signature:
                return self.order.checked(
                    [
                        decrypt(bytes.fromhex(k), None).decode() if k and isinstance(k, str) else k
                        for k in shown
                    ]
                )
        raise BadUserInputError(f"`{name}` is a cursor of another `orderBy`.")
