"""The root fields of subscriptions: each sends a result whenever the sessions have changed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence, Set
from contextlib import aclosing
from enum import Enum
from functools import partial
from typing import Any, TypeAlias

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case

from gateway.executor.turns import EVENTS
from gateway.live.changes import SIGNS_OF_LIFE, Changes, key_of
from gateway.live.state import Alarm, State
from gateway.live.watcher import Watcher
from gateway.schema import roots
from gateway.schema.declare.rest_enum import member
from gateway.schema.declare.scalars import DateTime, described
from gateway.schema.declare.semantic_non_null import semantic_non_null
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.summary import ChatSessionSummary
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import clocks_of
from gateway.schema.selecting.ordering import ChatSessionOrder
from gateway.schema.selecting.select import Selecting

Results: TypeAlias = AsyncGenerator[Any, None]
"""`Any`, because errors are yielded too and must not be part of the GraphQL type."""

CHANGES = "chatSessionChanges"
"""The root field whose results are events: two equal ones in a row are both sent."""

_STEPS_PER_CHANGE = 10


MakeResult: TypeAlias = Callable[[Selecting, Sequence[int], State], Awaitable[object]]
"""Makes the result from the matching rows of a state; None means that nothing is sent."""


@strawberry.enum(name="ChatSessionChangeKind", description="How a session has changed.")
class ChangeKind(Enum):
    ADDED = member("ADDED", "It is new, or matches the filter now.")
    UPDATED = member("UPDATED", "Some of its fields have changed.")
    REMOVED = member("REMOVED", "It is gone, or no longer matches the filter.")


@strawberry.type(description="A session that was added, updated or removed.")
class ChatSessionChange:
    kind: ChangeKind = described("How the session has changed.")
    changed_fields: list[str] = described(
        "For `UPDATED`, the fields that SuperOffice sends and that changed: for example `status`, "
        "but never `statusRaw`, `isOpen`, `waitSeconds` or `queuePosition`. "
        "`whenFetched` counts only if the subscription selects it."
    )
    session: ChatSession = described(
        "The session as SuperOffice sent it last; a removed one as it was."
    )


@strawberry.type(description="The changes since the previous event.")
class ChatSessionChanges:
    is_initial: bool = described(
        "True after every (re)connect: `changes` then has every session that matches, as "
        "`ADDED`. Discard earlier state."
    )
    fetched_at: DateTime = described("When this data was fetched, in UTC.")
    changes: list[ChatSessionChange] = described(
        "At most one per session, even if it has changed several times."
    )


def watch_chat_sessions(
    info: roots.Info,
    filter: roots.Filter = UNSET,  # noqa: A002  the field's standard term
    order_by: roots.OrderBy = UNSET,
    limit: roots.Limit = UNSET,
) -> Results:
    """Yield the sessions that match, for each state."""

    async def sessions(selecting: Selecting, rows: Sequence[int], _: State) -> list[ChatSession]:
        return roots.listed(selecting, rows, limit)

    return _watch(info, sessions, filter or None, order_by or None)


def watch_summary(
    info: roots.Info,
    filter: roots.Filter = UNSET,  # noqa: A002  the field's standard term
) -> Results:
    """Yield the counts of the sessions that match, for each state."""
    groups = roots.selected_groups(info)

    async def summary(selecting: Selecting, *_: object) -> ChatSessionSummary:
        return await selecting.summary(filter or None, groups)

    return _watch(info, summary, filter or None)


def watch_changes(
    info: roots.Info,
    filter: roots.Filter = UNSET,  # noqa: A002  the field's standard term
) -> Results:
    """Yield the changes of the sessions that match, for each state that has any."""
    ignored = frozenset() if roots.selects(info.selected_fields, "whenFetched") else SIGNS_OF_LIFE
    seen: State | None = None
    matched: Set[object] = frozenset()

    async def changes(
        selecting: Selecting, rows: Sequence[int], state: State
    ) -> ChatSessionChanges | None:
        nonlocal seen, matched
        before, was, sessions = seen, matched, selecting.columns.sessions
        seen, matched = state, {key_of(sessions[row]) for row in rows}
        changed = await state.since(before) if before else Changes((), (), ())
        fields_of = {key_of(update.after): update.fields for update in changed.updated}
        found = []
        for key, session in {key_of(s): s for s in (*changed.removed, *sessions)}.items():
            is_in, was_in = key in matched, key in was
            names = fields_of.get(key, ()) if is_in and was_in else ()
            fields = [to_camel_case(name) for name in names if name not in ignored]
            if fields or is_in is not was_in:
                moved = ChangeKind.ADDED if is_in else ChangeKind.REMOVED
                kind = ChangeKind.UPDATED if fields else moved
                found.append(ChatSessionChange(kind=kind, changed_fields=fields, session=session))
            await selecting.columns.turns.spend(_STEPS_PER_CHANGE)
        if before is not None and not found:
            return None
        return ChatSessionChanges(
            is_initial=before is None,
            fetched_at=DateTime(state.snapshot.as_of.fetched_at()),
            changes=found,
        )

    return _watch(info, changes, filter or None)


async def _watch(
    info: roots.Info,
    make: MakeResult,
    wanted: ChatSessionFilter | None,
    order_by: Sequence[ChatSessionOrder] | None = None,
) -> Results:
    """Yield the result of each state, unless it is None, and each error that replaces a state.

    An error that is raised is yielded too, and ends the subscription.
    """
    alarm = Alarm()

    async def result(watcher: Watcher, state: State) -> object:
        snapshot = state.at(watcher.now_ns()) if has_clock else state.snapshot
        selecting = roots.selecting_from(info, snapshot)
        rows, _ = await selecting.rows(wanted, order_by)
        made = await make(selecting, rows, state)
        alarm.due_ns = await selecting.next_change(wanted, rows) if has_clock else None
        return made

    try:
        has_clock = bool(clocks_of(wanted))
        async with info.context.watching() as watcher, aclosing(watcher.states(alarm)) as states:
            async for state in states:
                if isinstance(state, State):
                    info.context.accept()
                    # Other subscriptions wake up at the same time.
                    await EVENTS.spend(info.context.result_steps)
                    info.context.state = state.number
                    made = await result(watcher, state)
                    if made is not None:
                        yield made
                        # graphql-core holds the last result while thousands wait for the next.
                        (made if isinstance(made, list) else vars(made)).clear()
                    info.context.selecting = None
                else:
                    yield state
    except Exception as exc:  # noqa: BLE001  a bug, too
        # graphql-core raises it at the field, so that the error has a path.
        yield exc


_subscription = partial(semantic_non_null, declare=strawberry.subscription)


@strawberry.type(
    description="Live updates. A caller's subscriptions in the same language share one poll. They "
    "end with `UNAUTHENTICATED` or `FORBIDDEN` if SuperOffice rejects the caller. During any "
    "other failure of SuperOffice, only alarms send events, and a new subscription gets the "
    "error. A filter on `waitSeconds`, `idleSeconds` or `customerAwaySeconds` is an alarm: it "
    "sends an event at the second when a session begins or ceases to match, without a poll. Its "
    "computed seconds are as of the event."
)
class Subscription:
    chat_sessions: list[ChatSession] | None = _subscription(
        watch_chat_sessions,
        "The result of the query of the same name: at once, and again whenever a selected value "
        "changes. `waitSeconds`, `idleSeconds`, `durationSeconds`, `customerAwaySeconds`, "
        "`fetchedAt` and `whenFetched` change at nearly every poll: instead, select "
        "`whenRequested` and count in the client.",
    )
    chat_session_summary: ChatSessionSummary | None = _subscription(
        watch_summary,
        "The result of the query of the same name: at once, and again whenever a selected value "
        "changes. `longestWaitSeconds`, `medianWaitSeconds` and `fetchedAt` change at nearly every "
        "poll: instead, select `longestWaiting { whenRequested }` and count in the client.",
    )
    chat_session_changes: ChatSessionChanges | None = _subscription(
        watch_changes,
        "All sessions that match, at once, and then each that is added, updated or removed.",
    )
