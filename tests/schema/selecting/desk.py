"""A desk of made-up sessions: as records, and as a snapshot that queries are asked of."""

import asyncio
import datetime as dt
import json
import zoneinfo
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from gateway.caller import Caller
from gateway.executor.turns import Turns
from gateway.headers import Header
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.records.dates import AsOf
from gateway.records.decode import decoder
from gateway.schema.build import Schema, build_schema
from gateway.schema.context import Access, Context
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.filters import ChatSessionFilter
from gateway.schema.selecting.matching import SEARCHED, Filter
from gateway.schema.selecting.ordering import Order
from gateway.schema.selecting.pages import ChatSessionConnection, connect
from gateway.schema.selecting.select import matching_rows
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache

Json = dict[str, Any]
T = TypeVar("T")

SCHEMA = build_schema()
OSLO = zoneinfo.ZoneInfo("Europe/Oslo")
NOON_NS = int(dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000_000
"""When snapshots are taken: 2026-11-23T12:00:00Z, which is 13:00 in Oslo."""

_decode = decoder(record_of(ChatSession))


def records(
    *sessions: Json, zone: dt.tzinfo | None = None, fetched_ns: int = NOON_NS
) -> Sequence[Any]:
    """Return sessions as the gateway holds them; one without a key gets its place, from 1."""
    numbered = [{"ChatSessionId": n, **session} for n, session in enumerate(sessions, 1)]
    decoded = _decode(json.dumps(numbered).encode())
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
    """Return one session as the gateway holds it."""
    return records({**(session or {}), **properties}, zone=zone, fetched_ns=fetched_ns)[0]


def ids_of(sessions: Iterable[Any]) -> list[int]:
    """Return the keys of sessions, in their order."""
    return [session.chat_session_id for session in sessions]


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what gives no turn, as over few sessions."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("It waits for a turn.")


def columns_of(sessions: Sequence[Any], searched: Collection[str] = SEARCHED) -> Columns:
    """Return what is read of some sessions."""
    return Columns(sessions, searched, Turns())


def matching(
    sessions: Sequence[Any], searched: Collection[str] = SEARCHED, /, **parts: Any
) -> list[int]:
    """Return the keys of the sessions that a filter of these parts wants."""
    as_of = sessions[0].as_of if sessions else AsOf(NOON_NS)
    wanted = Filter(ChatSessionFilter(**parts), as_of)
    rows = at_once(matching_rows(columns_of(sessions, searched), wanted))
    return ids_of(sessions[row] for row in rows)


def ordered(order: Order, sessions: Sequence[Any]) -> list[Any]:
    """Return sessions in an order."""
    rows = at_once(order.sort(columns_of(sessions), range(len(sessions))))
    return [sessions[row] for row in rows]


def page_of(sessions: Sequence[Any], order: Order, **arguments: Any) -> ChatSessionConnection:
    """Return a page of sessions, which come in any order."""
    wanted = {"first": None, "after": None, "last": None, "before": None, **arguments}
    columns = columns_of(ordered(order, sessions))
    rows = range(len(sessions))
    return at_once(connect(columns, rows, order, fetched_at="2026-11-23T12:00:00.000Z", **wanted))


@dataclass
class Desk:
    """Answers queries over some sessions, in process and at a time of its own; counts REST calls.

    Nothing is reused between queries, so each of them shows what it costs.
    """

    sessions: Sequence[Json] = ()
    zone: dt.tzinfo | None = None
    schema: Schema = SCHEMA
    fetched_ns: int = NOON_NS
    calls: int = field(default=0, init=False)

    async def fetch(self, headers: Sequence[Header]) -> bytes:
        """Play REST."""
        self.calls += 1
        return json.dumps(list(self.sessions)).encode()

    async def answer(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run a query and return its result, errors and all."""
        source = Source(
            fetch=self.fetch,
            decode=_decode,
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
            searched=self.schema.searched,
            links=self.schema.links,
        )
        return await self.schema.execute(query, dict(variables or {}), context_value=context)

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run a query that has to succeed and return its data."""
        result = await self.answer(query, variables)
        assert result.errors is None, result.errors
        return result.data

    async def refusal(self, query: str, variables: Mapping[str, Any] | None = None) -> str:
        """Run a query that has to fail for the client's fault, once; return what it is told."""
        result = await self.answer(query, variables)
        (error,) = result.errors
        assert error.extensions["code"] == "BAD_USER_INPUT", error
        return str(error.message)

    def now(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Ask from a test that is not async, such as one that Hypothesis runs."""
        return asyncio.run(self.ask(query, variables))
