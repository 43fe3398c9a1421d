"""A desk that a test changes, with a source and watchers that poll within milliseconds."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.caller import Caller
from gateway.headers import Header
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.schema.build import Schema
from gateway.schema.context import Access, Context
from gateway.schema.engine import Engine, Operation
from gateway.schema.entities.chat_decoder import decode
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from tests.schema.asking import SCHEMA
from tests.waiting import until

__all__ = ["SCHEMA", "Desk", "Json", "Screen", "caller", "session", "until"]

Json = dict[str, Any]


def session(number: int, status: str = "InQueue", **more: Any) -> Json:
    """Return a session in the JSON of REST."""
    return {"ChatSessionId": number, "Status": status, **more}


def caller(name: str = "kari") -> Caller:
    """Return a caller of this name."""
    return Caller(((b"authorization", f"Basic {name}".encode()),))


@dataclass
class Screen:
    """A subscriber, and the answers that it has received."""

    answers: list[Any] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    is_reading: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    async def read(self, results: AsyncIterator[Any]) -> None:
        """Read answers until the end of the subscription."""
        async for result in results:
            data = orjson.loads(orjson.dumps(result.body.get("data")))  # lists can be JSON already
            (answer,) = (data or {"": None}).values()
            self.answers.append(answer)
            self.errors += result.body.get("errors", ())
            del result
            await self.is_reading.wait()
        self.is_over = True

    async def shows(self, count: int) -> Any:
        """Wait for this number of answers, and return the last of them."""
        await until(lambda: len(self.answers) >= count)
        return self.answers[count - 1]

    @property
    def codes(self) -> list[str]:
        """The codes of all errors so far."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass
class Desk:
    """A REST API, a source and watchers; REST answers with `sessions`."""

    sessions: list[Json] = field(default_factory=lambda: [session(1)])
    failure: Exception | None = None
    schema: Schema = SCHEMA
    interval_s: float = 0.01
    slowest_s: float = 0.02
    ttl_s: float = 5.0
    ahead_s: float = 0
    """The seconds by which the clock is ahead."""

    since_ns: int | None = None
    """The start, if time passes by `ahead_s` only."""

    calls: list[str] = field(default_factory=list)
    """The callers of the REST calls."""

    is_answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Build the source and the watchers."""
        self.is_answering.set()
        self.source = Source(
            fetch=self.fetch,
            decode=decode,
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

    async def fetch(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Answer a REST call with the sessions at its arrival."""
        self.calls.append(caller.headers[0][1].decode().removeprefix("Basic "))
        body, failure = json.dumps(self.sessions).encode(), self.failure
        await self.is_answering.wait()
        if failure is not None:
            raise failure
        return body

    def notify(self) -> None:
        """Notify the watchers of a change, as a webhook does."""
        self.watchers.refresh(time.time_ns())

    async def wait_for_polls(self, times: int = 1) -> None:
        """Wait until REST was called this many times more, and the last answer was processed."""
        calls = len(self.calls) + times
        await until(lambda: len(self.calls) > calls)

    @contextlib.asynccontextmanager
    async def screen(self, query: str, user: str = "kari", **options: Any) -> AsyncIterator[Screen]:
        """Subscribe for the time of the block."""
        screen = Screen()
        if not options.pop("is_stuck", False):
            screen.is_reading.set()
        watching = caller(user)
        context = Context(
            access=options.pop("access", None)
            or Access(self.source, watching, self.source.key_of(watching)),
            watchers_of=lambda source: self.watchers,
        )
        operation = Operation(self.schema.documents.find(query), **options)
        results = Engine(self.schema).stream(operation, context)
        reading = asyncio.create_task(screen.read(results))
        try:
            yield screen
        finally:
            reading.cancel()
            await asyncio.wait([reading])
