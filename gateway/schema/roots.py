"""The root fields of queries: each reads the caller's snapshot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, cast

import strawberry
from strawberry import UNSET
from strawberry.types.nodes import SelectedField, Selection
from strawberry.utils.str_converters import to_camel_case

from gateway.errors import BadUserInputError
from gateway.executor.turns import Turns
from gateway.schema.context import Context
from gateway.schema.declare.nodes import Node
from gateway.schema.declare.semantic_non_null import semantic_non_null
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.summary import GROUPS, ChatSessionSummary
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.ordering import ChatSessionOrder
from gateway.schema.selecting.pages import ChatSessionConnection, connect, cut
from gateway.schema.selecting.select import Selecting
from gateway.sessions.snapshot import Snapshot

if TYPE_CHECKING:
    from gateway.schema.build import Schema

_MOST_IDS = 100


def _argument(description: str) -> object:
    return strawberry.argument(description=description)


Info = strawberry.Info[Context, None]
# The default of arguments is UNSET, not None: it is faster, and the schema shows no `= null`.
Filter = Annotated[ChatSessionFilter | None, _argument("Only matching sessions. Omit for all.")]
OrderBy = Annotated[list[ChatSessionOrder] | None, _argument("Sort keys, most significant first.")]
Limit = Annotated[int | None, _argument("At most this many, 0 to 10000.")]


async def list_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: OrderBy = UNSET,
    limit: Limit = UNSET,
    offset: Annotated[int | None, _argument("Skip this many.")] = UNSET,
) -> list[ChatSession]:
    """Return the sessions that match."""
    snapshot = await info.context.snapshot()
    if not filter and not order_by:
        return [*cut(snapshot.sessions, limit, offset)]
    selecting = selecting_from(info, snapshot)
    async with selecting.lock:
        rows, _ = await selecting.rows(filter or None, order_by or None)
        return listed(selecting, rows, limit, offset)


async def connect_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: OrderBy = UNSET,
    first: Annotated[int | None, _argument("Return the first N, 0 to 10000.")] = UNSET,
    after: Annotated[str | None, _argument("Only what comes after this cursor.")] = UNSET,
    last: Annotated[int | None, _argument("Return the last N, 0 to 10000.")] = UNSET,
    before: Annotated[str | None, _argument("Only what comes before this cursor.")] = UNSET,
) -> ChatSessionConnection:
    """Return a page of the sessions that match, as a connection."""
    selecting = selecting_from(info, await info.context.snapshot())
    async with selecting.lock:
        rows, order = await selecting.rows(filter or None, order_by or ())
        return await connect(
            selecting.columns,
            rows,
            order,
            cast("Schema", info.schema).cursor_cipher,
            fetched_at=selecting.snapshot.as_of.fetched_at(),
            first=first,
            after=after or None,  # Apollo Client's relayStylePagination can send ""
            last=last,
            before=before or None,
        )


async def find_chat_session(
    info: Info, chat_session_id: Annotated[int, _argument("The session's key.")]
) -> ChatSession | None:
    """Return one session of the caller, or None."""
    selecting = selecting_from(info, await info.context.snapshot())
    async with selecting.lock:
        return await selecting.session(chat_session_id)


async def count_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
) -> ChatSessionSummary:
    """Count the sessions that match."""
    selecting = selecting_from(info, await info.context.snapshot())
    async with selecting.lock:
        return await selecting.summary(filter or None, selected_groups(info))


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
    selecting = selecting_from(info, await info.context.snapshot())
    async with selecting.lock:
        return await selecting.nodes(ids, cast("Schema", info.schema).links)


def selects(selections: list[Selection], name: str) -> bool:
    """Return whether a field of this name is selected, at any depth."""
    return any(
        (isinstance(selection, SelectedField) and selection.name == name)
        or selects(selection.selections, name)
        for selection in selections
        if not selection.directives.get("skip", {}).get("if")
        and selection.directives.get("include", {}).get("if", True)
    )


def selected_groups(info: Info) -> list[str]:
    """Return the groups of a summary that are selected."""
    return [name for name in GROUPS if selects(info.selected_fields, to_camel_case(name))]


def listed(
    selecting: Selecting, rows: Sequence[int], limit: int | None, offset: int | None = UNSET
) -> list[ChatSession]:
    """Return at most `limit` of the sessions in these rows, after the first `offset`.

    Raises:
        BadUserInputError: a number is negative or too large.
    """
    sessions = selecting.columns.sessions
    return [sessions[row] for row in cut(rows, limit, offset)]


def selecting_from(info: Info, snapshot: Snapshot) -> Selecting:
    """Return the `Selecting` of the request, which selects from this snapshot."""
    context, schema = info.context, cast("Schema", info.schema)
    if context.selecting is None:
        columns = Columns(snapshot.sessions, schema.searched, Turns(), snapshot.attachments)
        context.selecting = Selecting(snapshot, columns, schema.options.limits.work)
    return context.selecting


@strawberry.type(description="Queries. All fields of a request read the same snapshot.")
class Query:
    chat_sessions: list[ChatSession] | None = semantic_non_null(
        resolver=list_chat_sessions,
        description="The chat sessions the caller can see, finished ones too. Without `orderBy` "
        "they come in SuperOffice's order; without any argument, all of them.",
    )
    chat_session_connection: ChatSessionConnection | None = semantic_non_null(
        resolver=connect_chat_sessions,
        description="The caller's sessions as a Relay connection. Default order: `chatSessionId`. "
        "A cursor is a place in the order: it stays valid when sessions are added or removed.",
    )
    chat_session: ChatSession | None = strawberry.field(
        resolver=find_chat_session,
        description="One chat session by its key; null when the caller has no such session.",
    )
    chat_session_summary: ChatSessionSummary | None = semantic_non_null(
        resolver=count_chat_sessions,
        description="Counts and wait times of the caller's sessions, for a wallboard.",
    )
    node: Node | None = strawberry.field(
        resolver=find_one_node,
        description="Any object by its `id`; null when it is in none of the caller's sessions.",
    )
    nodes: list[Node | None] | None = semantic_non_null(
        resolver=find_nodes, description="Objects by their `id`, in the order of `ids`."
    )
