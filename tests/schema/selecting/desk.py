"""Invented sessions, as records or as a snapshot to query."""

import asyncio
import datetime as dt
import json
import zoneinfo
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.caller import Caller
from gateway.executor.turns import Turns
from gateway.headers import Header
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.records.dates import AsOf
from gateway.schema.build import Schema
from gateway.schema.context import Access, Context
from gateway.schema.entities.chat_decoder import decode
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import SEARCHED, Filter
from gateway.schema.selecting.ordering import Order
from gateway.schema.selecting.pages import ChatSessionConnection, connect
from gateway.schema.selecting.select import matching_rows
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from tests.schema.asking import SCHEMA, execute

Json = dict[str, Any]
T = TypeVar("T")

CIPHER = AESSIV(bytes(64))
OSLO = zoneinfo.ZoneInfo("Europe/Oslo")
NOON_NS = int(dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000_000
"""The time of snapshots: 2026-11-23T12:00:00Z, which is 13:00 in Oslo."""


def records(
    *sessions: Json, zone: dt.tzinfo | None = None, fetched_ns: int = NOON_NS
) -> Sequence[Any]:
    """Return decoded sessions; one without a key gets its position, from 1."""
    numbered = [{"ChatSessionId": n, **session} for n, session in enumerate(sessions, 1)]
    decoded = decode(json.dumps(numbered).encode())
    for record in decoded:
        record.as_of = AsOf(fetched_ns, zone)
    return decoded


def record(
    session: Mapping[str, Any] | None = None,
    /,
    *,
    zone: dt.tzinfo | None = None,
    fetched_ns: int = NOON_NS,
    **properties: Any,
) -> Any:
    """Return one decoded session."""
    return records({**(session or {}), **properties}, zone=zone, fetched_ns=fetched_ns)[0]


def ids_of(sessions: Iterable[Any]) -> list[int]:
    """Return the keys of sessions, in their order."""
    return [session.chat_session_id for session in sessions]


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never yields, as over few sessions."""
    Turns.steps_of_all = 0  # those of other tests do not count
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("It yields.")


def columns_of(sessions: Sequence[Any], searched: Collection[str] = SEARCHED) -> Columns:
    """Return the columns of some sessions."""
    return Columns(sessions, searched, Turns())


def matching(
    sessions: Sequence[Any], searched: Collection[str] = SEARCHED, /, **parts: Any
) -> list[int]:
    """Return the keys of the sessions that match a filter with these parts."""
    as_of = sessions[0].as_of if sessions else AsOf(NOON_NS)
    condition = Filter(ChatSessionFilter(**parts), as_of)
    rows = at_once(matching_rows(columns_of(sessions, searched), condition))
    return ids_of(sessions[row] for row in rows)


def ordered(order: Order, sessions: Sequence[Any]) -> list[Any]:
    """Return sessions in an order."""
    rows = at_once(order.sort(columns_of(sessions), range(len(sessions))))
    return [sessions[row] for row in rows]


def page_of(sessions: Sequence[Any], order: Order, **arguments: Any) -> ChatSessionConnection:
    """Return a page of sessions, which may be in any order."""
    page_arguments = {"first": None, "after": None, "last": None, "before": None, **arguments}
    columns = columns_of(ordered(order, sessions))
    rows = range(len(sessions))
    return at_once(
        connect(columns, rows, order, CIPHER, fetched_at="2026-11-23T12:00:00Z", **page_arguments)
    )


@dataclass
class Desk:
    """Answers queries over some sessions, in process and at a fixed time; counts REST calls.

    Nothing is cached between queries, so each query shows its own cost.
    """

    sessions: Sequence[Json] = ()
    zone: dt.tzinfo | None = None
    schema: Schema = SCHEMA
    fetched_ns: int = NOON_NS
    calls: int = field(default=0, init=False)

    async def fetch(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Play the REST API."""
        self.calls += 1
        return json.dumps(list(self.sessions)).encode()

    async def answer(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run a query and return its result, including errors."""
        source = Source(
            fetch=self.fetch,
            decode=decode,
            cache=BoundedMemoryCache(max_bytes=0),
            upstream_url="http://rest.invalid",
            windows=Windows(0),
            time_zone=self.zone,
            clock_ns=lambda: self.fetched_ns,
        )
        caller = Caller(((b"authorization", b"Basic ZGVtbzpkZW1v"),))
        context = Context(
            access=Access(source, caller, source.key_of(caller)),
            watchers_of=lambda source: Watchers(
                source, rhythm=Rhythm(interval_s=5, slowest_s=60), compare=Comparison(())
            ),
        )
        return await execute(self.schema, query, variables, context)

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run a query, require that it succeeds, and return its data."""
        result = await self.answer(query, variables)
        assert result.errors is None, result.errors
        return result.data

    async def refusal(self, query: str, variables: Mapping[str, Any] | None = None) -> str:
        """Run a query that fails with one BAD_USER_INPUT, and return its message."""
        result = await self.answer(query, variables)
        (error,) = result.errors
        assert error.extensions["code"] == "BAD_USER_INPUT", error
        return str(error.message)

    def now(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run a query from a synchronous test, such as one of Hypothesis."""
        return asyncio.run(self.ask(query, variables))
