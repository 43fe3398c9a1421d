"""A desk that a test moves, watched as a gateway watches REST, in milliseconds."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.caller import Caller
from gateway.headers import Header
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.records.decode import decoder
from gateway.schema.build import Schema, build_schema
from gateway.schema.context import Access, Context
from gateway.schema.declare.entity import record_of
from gateway.schema.engine import Engine, Operation
from gateway.schema.entities.chat import ChatSession
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from tests.waiting import until

__all__ = ["SCHEMA", "Desk", "Json", "Screen", "caller", "session", "until"]

Json = dict[str, Any]

SCHEMA = build_schema()
_decode = decoder(record_of(ChatSession))


def session(number: int, status: str = "InQueue", **more: Any) -> Json:
    """Return a session as REST sends it."""
    return {"ChatSessionId": number, "Status": status, **more}


def caller(name: str = "kari") -> Caller:
    """Return somebody."""
    return Caller(((b"authorization", f"Basic {name}".encode()),))


@dataclass
class Screen:
    """Whoever subscribed: what was answered so far."""

    answers: list[Any] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    is_reading: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    async def read(self, results: AsyncIterator[Any]) -> None:
        """Read for as long as there is something to come."""
        async for result in results:
            (answer,) = (result.body.get("data") or {"": None}).values()
            self.answers.append(answer)
            self.errors += result.body.get("errors", ())
            del result
            await self.is_reading.wait()
        self.is_over = True

    async def shows(self, count: int) -> Any:
        """Wait for the answer of that number, and return it."""
        await until(lambda: len(self.answers) >= count)
        return self.answers[count - 1]

    @property
    def codes(self) -> list[str]:
        """The codes of all errors so far."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass
class Desk:
    """REST, a source and watchers over it; `sessions` is what REST answers with."""

    sessions: list[Json] = field(default_factory=lambda: [session(1)])
    failure: Exception | None = None
    schema: Schema = SCHEMA
    interval_s: float = 0.01
    slowest_s: float = 0.02
    ttl_s: float = 5.0
    ahead_s: float = 0
    """How much later it is than it seems."""

    since_ns: int | None = None
    """When it began, where time passes by `ahead_s` alone."""

    calls: list[str] = field(default_factory=list)
    """Who called."""

    is_answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Wire it up."""
        self.is_answering.set()
        self.source = Source(
            fetch=self.fetch,
            decode=_decode,
            cache=BoundedMemoryCache(max_bytes=2**20),
            upstream_url="http://rest.invalid",
            windows=Windows(self.ttl_s),
            clock_ns=lambda: (self.since_ns or time.time_ns()) + round(self.ahead_s * 1e9),
        )
        self.rhythm = Rhythm(
            interval_s=self.interval_s, slowest_s=self.slowest_s, jitter=lambda least, _: least
        )
        compare = Comparison(self.schema.watched)
        self.watchers = Watchers(self.source, rhythm=self.rhythm, compare=compare)

    async def fetch(self, headers: Sequence[Header]) -> bytes:
        """Answer a REST call with what is there when it comes in."""
        self.calls.append(headers[0][1].decode().removeprefix("Basic "))
        body, failure = json.dumps(self.sessions).encode(), self.failure
        await self.is_answering.wait()
        if failure is not None:
            raise failure
        return body

    def hear(self) -> None:
        """Hear from REST that something has changed."""
        self.watchers.refresh(time.time_ns())

    async def has_looked(self, times: int = 1) -> None:
        """Wait until REST has been called so many times more, and the last answer was taken in."""
        calls = len(self.calls) + times
        await until(lambda: len(self.calls) > calls)

    @contextlib.asynccontextmanager
    async def screen(self, query: str, user: str = "kari", **options: Any) -> AsyncIterator[Screen]:
        """Subscribe for a while."""
        screen = Screen()
        if not options.pop("is_stuck", False):
            screen.is_reading.set()
        watching = caller(user)
        context = Context(
            access=options.pop("access", None)
            or Access(self.source, watching, self.source.key_of(watching)),
            watchers_of=lambda source: self.watchers,
            searched=self.schema.searched,
        )
        operation = Operation(self.schema.documents.find(query), **options)
        results = Engine(self.schema).stream(operation, context)
        reading = asyncio.create_task(screen.read(results))
        try:
            yield screen
        finally:
            reading.cancel()
            await asyncio.wait([reading])
