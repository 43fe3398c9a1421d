"""The root fields of queries: each reads the caller's snapshot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import strawberry
from strawberry import UNSET

from gateway.errors import BadUserInputError
from gateway.schema.context import Context
from gateway.schema.declare.nodes import Node, find_records
from gateway.schema.declare.semantic_non_null import semantic_non_null
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.summary import ChatSessionSummary, summarise
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import matcher
from gateway.schema.selecting.ordering import ChatSessionOrder, Order, order_of
from gateway.schema.selecting.pages import ChatSessionConnection, connect, cut
from gateway.sessions.snapshot import Snapshot

if TYPE_CHECKING:
    from gateway.schema.build import Schema

_MOST_IDS = 100

T = TypeVar("T")


def _argument(description: str) -> object:
    return strawberry.argument(description=description)


Info = strawberry.Info[Context, None]
Filter = Annotated[ChatSessionFilter | None, _argument("Which sessions; all of them without it.")]
OrderBy = Annotated[
    list[ChatSessionOrder] | None, _argument("The keys to sort by, the weightiest first.")
]
Number = int | None
Limit = Annotated[Number, _argument("At most this many, 0 to 10000.")]
Cursor = str | None


async def list_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: OrderBy = UNSET,
    limit: Limit = UNSET,
    offset: Annotated[Number, _argument("Leave out this many first ones.")] = UNSET,
) -> list[ChatSession]:
    """Return the sessions that match."""
    return listed(info, await info.context.snapshot(), filter, order_by, limit, offset)


async def connect_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: OrderBy = UNSET,
    first: Annotated[Number, _argument("The first so many, 0 to 10000.")] = UNSET,
    after: Annotated[Cursor, _argument("Only what comes after this cursor.")] = UNSET,
    last: Annotated[Number, _argument("The last so many, 0 to 10000.")] = UNSET,
    before: Annotated[Cursor, _argument("Only what comes before this cursor.")] = UNSET,
) -> ChatSessionConnection:
    """Return a page of the sessions that match, as a connection."""
    snapshot = await info.context.snapshot()
    order = order_of(order_by) if order_by else Order()
    order.cipher = cast("Schema", info.schema).cursor_cipher
    return connect(
        order.sort(matching(info, snapshot, filter)),
        order,
        fetched_at=snapshot.as_of.fetched_at(),
        first=_given(first),
        after=_given(after) or None,  # Apollo Client's relayStylePagination can send ""
        last=_given(last),
        before=_given(before) or None,
    )


async def find_chat_session(
    info: Info, chat_session_id: Annotated[int, _argument("The session's key.")]
) -> ChatSession | None:
    """Return one session of the caller, or None."""
    sessions = (await info.context.snapshot()).sessions
    return next((s for s in sessions if s.chat_session_id == chat_session_id), None)


async def count_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
) -> ChatSessionSummary:
    """Return the sessions that match in numbers."""
    snapshot = await info.context.snapshot()
    return summarise(matching(info, snapshot, filter), snapshot.as_of.fetched_at())


async def find_one_node(
    info: Info,
    id: Annotated[strawberry.ID, _argument("The `id` of the object.")],  # noqa: A002  Relay's
) -> Node | None:
    """Return the object with that id, or None."""
    (found,) = await find_nodes(info, [id])
    return found


async def find_nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], _argument("The `id` of each object, 100 at most.")],
) -> list[Node | None]:
    """Return, for each id, its object or None."""
    if len(ids) > _MOST_IDS:
        raise BadUserInputError(f"`ids` may have {_MOST_IDS} entries at most, not {len(ids)}.")
    sessions = (await info.context.snapshot()).sessions
    return find_records(sessions, ids, info.context.links)


def _given(argument: T) -> T | None:
    # The default is UNSET, not None: it costs no time, and the schema shows no `= null`.
    return None if argument is UNSET else argument


def listed(
    info: Info,
    snapshot: Snapshot,
    wanted: ChatSessionFilter | None,
    order_by: Sequence[ChatSessionOrder] | None,
    limit: int | None,
    offset: int | None = UNSET,
) -> list[ChatSession]:
    """Return the sessions of a snapshot that match, in order.

    Raises:
        BadUserInputError: the value of an argument is invalid.
    """
    sessions = matching(info, snapshot, wanted)
    ordered = order_of(order_by).sort(sessions) if order_by else sessions
    return cut(ordered, _given(limit), _given(offset))


def matching(info: Info, snapshot: Snapshot, wanted: ChatSessionFilter | None) -> list[ChatSession]:
    """Return the sessions of a snapshot that match, in SuperOffice's order."""
    if not wanted:
        return [*snapshot.sessions]
    matches = matcher(wanted, snapshot.as_of, info.context.searched)
    return [session for session in snapshot.sessions if matches(session)]


@strawberry.type(description="What can be asked. Every field reads the same snapshot.")
class Query:
    chat_sessions: list[ChatSession] | None = semantic_non_null(
        resolver=list_chat_sessions,
        description="The chat sessions the caller can see, finished ones too. Without `orderBy` "
        "they come in REST's order; without any argument, all of them.",
    )
    chat_session_connection: ChatSessionConnection | None = semantic_non_null(
        resolver=connect_chat_sessions,
        description="The same, page by page. Without `orderBy` they come by `chatSessionId`. A "
        "cursor is a place in the order: it stays good while sessions come and go.",
    )
    chat_session: ChatSession | None = strawberry.field(
        resolver=find_chat_session,
        description="One chat session by its key; null when the caller has no such session.",
    )
    chat_session_summary: ChatSessionSummary | None = semantic_non_null(
        resolver=count_chat_sessions,
        description="The caller's sessions in numbers: what a wallboard shows.",
    )
    node: Node | None = strawberry.field(
        resolver=find_one_node,
        description="Any object by its `id`; null when none of the caller's sessions holds it.",
    )
    nodes: list[Node | None] | None = semantic_non_null(
        resolver=find_nodes, description="Objects by their `id`, in the order of `ids`."
    )
