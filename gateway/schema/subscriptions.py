"""The root fields of subscriptions, which send a result whenever something has changed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence, Set
from contextlib import aclosing
from enum import Enum
from typing import Any, TypeAlias

import strawberry
from strawberry import UNSET
from strawberry.types.nodes import SelectedField, Selection
from strawberry.utils.str_converters import to_camel_case

from gateway.errors import GatewayError
from gateway.live.changes import SIGNS_OF_LIFE, Changes, key_of
from gateway.live.watcher import State, Watcher
from gateway.schema.declare.scalars import DateTime, Declared, described
from gateway.schema.declare.semantic_non_null import SemanticNonNull
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.summary import ChatSessionSummary
from gateway.schema.guard.work import Work
from gateway.schema.roots import Filter, Info, Limit, OrderBy, listed, selecting_from

Results: TypeAlias = AsyncGenerator[Any, None]
"""Of `Any`, as an error is yielded too, and must not be part of the GraphQL type."""

CHANGES = "chatSessionChanges"
"""The root field whose results are events: two equal ones in a row are both sent."""

_STEPS_PER_CHANGE = 10


@strawberry.enum(name="ChatSessionChangeKind", description="What has become of a session.")
class ChangeKind(Enum):
    ADDED = strawberry.enum_value("ADDED", description="It is new, or matches the filter now.")
    UPDATED = strawberry.enum_value("UPDATED", description="Some of its fields have changed.")
    REMOVED = strawberry.enum_value(
        "REMOVED", description="It is gone, or does not match the filter any more."
    )


@strawberry.type(description="A session that was added, updated or removed.")
class ChatSessionChange:
    kind: ChangeKind = described("What has become of the session.")
    changed_fields: list[str] = described(
        "For `UPDATED`, the fields that SuperOffice sends and that changed: `status`, but not "
        "`statusRaw`, `isOpen`, `waitSeconds` or `queuePosition`. A status can go back. "
        "`whenFetched` counts only if the subscription selects it."
    )
    session: ChatSession = described(
        "The session as SuperOffice sent it last; a removed one as it was."
    )


@strawberry.type(description="What has changed since the event before this one.")
class ChatSessionChanges:
    is_initial: bool = described(
        "True after every (re)connect: `changes` then has every session that matches, as "
        "`ADDED`. Discard earlier state."
    )
    fetched_at: DateTime = described("When this data was fetched, in UTC.")
    changes: list[ChatSessionChange] = described(
        "At most one for each session, however much has happened."
    )


def watch_chat_sessions(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: OrderBy = UNSET,
    limit: Limit = UNSET,
) -> Results:
    """Yield the sessions that match, for each state."""

    async def sessions(_: Watcher, state: State) -> list[ChatSession]:
        selecting = selecting_from(info, state.snapshot)
        return await listed(selecting, filter, order_by, limit)

    return _watch(info, sessions)


def watch_summary(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
) -> Results:
    """Yield the sessions that match in numbers, for each state."""

    async def summary(_: Watcher, state: State) -> ChatSessionSummary:
        return await selecting_from(info, state.snapshot).summary(filter or None)

    return _watch(info, summary)


def watch_changes(
    info: Info,
    filter: Filter = UNSET,  # noqa: A002  the field's standard term
) -> Results:
    """Yield the changes of the sessions that match, for each state with any."""
    ignored = frozenset() if _selects(info.selected_fields, "whenFetched") else SIGNS_OF_LIFE
    seen: State | None = None
    matched: Set[object] = frozenset()

    async def changes(watcher: Watcher, state: State) -> ChatSessionChanges | None:
        nonlocal seen, matched
        (before, seen), was = (seen, state), matched
        selecting = selecting_from(info, state.snapshot)
        rows, _ = await selecting.rows(filter or None)
        sessions = selecting.columns.sessions
        matched = {key_of(sessions[row]) for row in rows}
        changed = await watcher.changes(before, state) if before else Changes((), (), ())
        found = []
        for change in _matching_changes(changed, sessions, was, matched, ignored):
            if change is not None:
                found.append(change)
            await selecting.work.turns.give(_STEPS_PER_CHANGE)
        if before is not None and not found:
            return None
        return ChatSessionChanges(
            is_initial=before is None,
            fetched_at=DateTime(state.snapshot.as_of.fetched_at()),
            changes=found,
        )

    return _watch(info, changes)


async def _watch(info: Info, answer: Callable[[Watcher, State], Awaitable[object]]) -> Results:
    """Yield the result for each state unless it is None, or the error where there is no state.

    An error that is raised is the last result.
    """
    try:
        async with info.context.watching() as watcher, aclosing(watcher.states()) as states:
            async for state in states:
                info.context.work = Work()
                made = state if isinstance(state, GatewayError) else await answer(watcher, state)
                if made is not None:
                    yield made
    except GatewayError as exc:
        # graphql-core raises it at the field, so that the error has a path.
        yield exc


def _matching_changes(
    changes: Changes,
    sessions: Sequence[ChatSession],
    was: Set[object],
    now: Set[object],
    ignored: frozenset[str],
) -> Iterator[ChatSessionChange | None]:
    """Yield what a subscriber gets of each session; None stands for nothing.

    `was` and `now` have the keys of the sessions that match: a session that did not change can
    begin or cease to match, as the clock does not stand still.
    """
    for session in changes.removed:
        yield _change(ChangeKind.REMOVED, session) if key_of(session) in was else None
    fields_of = {key_of(update.after): update.fields for update in changes.updated}
    for key, session in {key_of(session): session for session in sessions}.items():
        fields = [name for name in fields_of.get(key, ()) if name not in ignored]
        if key in now and key not in was:
            yield _change(ChangeKind.ADDED, session)
        elif key in was and key not in now:
            yield _change(ChangeKind.REMOVED, session)
        else:
            yield _change(ChangeKind.UPDATED, session, fields) if key in now and fields else None


def _change(
    kind: ChangeKind, session: ChatSession, fields: list[str] | None = None
) -> ChatSessionChange:
    names = [to_camel_case(name) for name in fields or ()]
    return ChatSessionChange(kind=kind, changed_fields=names, session=session)


def _selects(selections: list[Selection], name: str) -> bool:
    """Return whether a field of this name is selected anywhere inside."""
    return any(
        (isinstance(selection, SelectedField) and selection.name == name)
        or _selects(selection.selections, name)
        for selection in selections
    )


def _subscription(resolver: Callable[..., Results], description: str) -> Declared:
    return strawberry.subscription(
        resolver=resolver, description=description, directives=[SemanticNonNull()]
    )


@strawberry.type(
    description="Live updates. One user's subscriptions share one poll. They end with "
    "`UNAUTHENTICATED` or `FORBIDDEN` if SuperOffice rejects the user. While SuperOffice fails "
    "otherwise, nothing is sent; a subscription that begins then gets the error first."
)
class Subscription:
    chat_sessions: list[ChatSession] | None = _subscription(
        watch_chat_sessions,
        "The list, as the query of the same name gives it: at once, and again whenever what is "
        "selected of it changes. `waitSeconds`, `idleSeconds`, `durationSeconds`, "
        "`customerAwaySeconds`, `fetchedAt` and `whenFetched` are never the same for long: select "
        "`whenRequested` and let the page count.",
    )
    chat_session_summary: ChatSessionSummary | None = _subscription(
        watch_summary,
        "The numbers, as the query of the same name gives them: at once, and again whenever what "
        "is selected of them changes.",
    )
    chat_session_changes: ChatSessionChanges | None = _subscription(
        watch_changes,
        "Every session that matches, at once, and then what is added, updated and removed.",
    )
