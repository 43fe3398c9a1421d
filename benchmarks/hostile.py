"""Measures a hundred legitimate callers while every kind of abuse runs at once.

The abuse: unauthenticated clients that open WebSockets and send nothing useful, tokens that
SuperOffice rejects, one caller that requests everything in twenty languages, costly queries with
and without credentials, and a log without a reader. The manual quotes `--seconds 300`.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import report
from benchmarks.answers import WrongAnswerError, with_data
from benchmarks.callers import graphql
from benchmarks.load import Client, ask_once, run
from benchmarks.queries import QUERIES
from benchmarks.report import Options, number
from benchmarks.rest import BIG
from benchmarks.servers import Gateway, Server, rest_side, serving

__all__ = ["run_hostile"]

_LEGITIMATE, _EVERY_S = 100, 1.0
_UNAUTHENTICATED, _LANGUAGES = 300, 20
_QUERY = QUERIES["Q1"]
_TIMEOUT_S = 30
_ALONE_S = 20.0

Abuse = Callable[[int, Counter[str]], Coroutine[Any, Any, None]]
"""Abuses the gateway at a port until it is cancelled, and counts its attempts."""

_HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_UNFINISHED = b"\x41\xfe\x03\xe8\0\0\0\0" + b" " * 1_000
_EMPTY_FRAMES = b"\x01\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 500


@dataclass
class _Seen:
    """The answers to the legitimate callers, and the memory of the gateway."""

    outcomes: Counter[str] = field(default_factory=Counter)
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    abuse: Counter[str] = field(default_factory=Counter)
    rss_mb: float = 0

    @property
    def requests(self) -> int:
        return sum(self.outcomes.values())

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ns)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6


def run_hostile(options: Options) -> None:
    """Measure the legitimate callers alone, then during the abuse, and print and write both."""
    report.say_environment()
    reader, writer = os.pipe()  # without a reader
    engine = Gateway({"GATEWAY_CACHE_TTL": "5", "GATEWAY_MAX_UPSTREAM_BYTES": "100MiB"})
    try:
        with (
            rest_side(delay_ms=20) as rest,
            serving(engine, rest.url(_QUERY.sessions), caches=True, stderr=writer) as server,
        ):
            alone = run(_measure(server, _ALONE_S, []))
            beside = run(_measure(server, options.seconds, _ABUSES))
    finally:
        os.close(reader)
        os.close(writer)
    _say(alone, beside, options)


async def _measure(server: Server, seconds: float, abuses: "Sequence[Abuse]") -> _Seen:
    seen = _Seen()
    end = time.monotonic() + seconds
    hostile = [asyncio.create_task(abuse(server.port, seen.abuse)) for abuse in abuses]
    await asyncio.gather(*(_call(seen, number, server.port, end) for number in range(_LEGITIMATE)))
    seen.rss_mb = server.process.rss_bytes() / 1e6
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
    return seen


async def _call(seen: _Seen, number: int, port: int, end: float) -> None:
    """Poll once a second as one caller."""
    dice = random.Random(number)  # noqa: S311  no secret
    check = with_data(_QUERY.expected())
    request = graphql(_QUERY.body, f"legitimate-{number}")
    client: Client | None = None
    await asyncio.sleep(dice.random() * _EVERY_S)
    while time.monotonic() < end:
        started_ns = time.perf_counter_ns()
        try:
            client = client or await Client.connect(port)
            check(*await asyncio.wait_for(client.ask(request), _TIMEOUT_S))
            outcome = "right"
        except (OSError, TimeoutError, WrongAnswerError) as exc:
            outcome = f"{type(exc).__name__}: {exc}"[:100]
            client = None
        seen.outcomes[outcome] += 1
        took_ns = time.perf_counter_ns() - started_ns
        seen.latencies_ns.append(took_ns)
        await asyncio.sleep(max(0.0, _EVERY_S - took_ns / 1e9))


async def _sockets(port: int, done: Counter[str], *, after: bytes) -> None:
    """Keep opening WebSockets without credentials, a hundred at a time."""

    async def one() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            done["sockets without credentials"] += 1
            writer.write(_HANDSHAKE + after)
            await asyncio.wait_for(reader.read(-1), _TIMEOUT_S)

    async def again() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await one()
            await asyncio.sleep(0.5)

    await asyncio.gather(*(again() for _ in range(_UNAUTHENTICATED // 3)))


async def _unfinished(port: int, done: Counter[str]) -> None:
    await _sockets(port, done, after=_UNFINISHED)


async def _empty_frames(port: int, done: Counter[str]) -> None:
    await _sockets(port, done, after=_EMPTY_FRAMES)


async def _silent(port: int, done: Counter[str]) -> None:
    await _sockets(port, done, after=b"")


async def _wrong_tokens(port: int, done: Counter[str]) -> None:
    """Try a hundred invalid tokens a second."""
    for number_of in itertools.count():
        await _once(port, done, "wrong tokens", graphql(_QUERY.body, f"wrong-{number_of}"))
        await asyncio.sleep(0.01)


async def _noisy(port: int, done: Counter[str]) -> None:
    """Send requests of one caller with another language each time, past the cache."""
    request = graphql(_QUERY.body, "noisy")
    for language in itertools.cycle(range(_LANGUAGES)):
        line = b"\r\nAccept-Language: x-%d\r\nCache-Control: no-cache\r\n\r\n" % language
        await _once(port, done, "noisy neighbour", request.replace(b"\r\n\r\n", line, 1))


async def _costly(port: int, done: Counter[str]) -> None:
    """Filter and sort ten thousand sessions in twenty root fields, again and again."""
    parts = [{"whenRequested": {"from": f"2030-01-{day:02}T00:00:00"}} for day in range(1, 25)]
    fields = " ".join(f"a{n}: chatSessions(limit: 1, filter: $f) {{ status }}" for n in range(20))
    query = f"query($f: ChatSessionFilter) {{ {fields} }}"
    body = json.dumps({"query": query, "variables": {"f": {"or": parts}}}).encode()
    while True:
        await _once(port, done, f"costly queries over {BIG} sessions", graphql(body, "big-1"))


async def _fans(port: int, done: Counter[str]) -> None:
    """Send queries without credentials that are costly to measure."""
    names = " ".join(f"f{n}" for n in range(200))
    spread = "".join(f"node(first:{n}){{...A}}" for n in range(1, 34))
    query = f"{{{spread}}}fragment A on Q{{{'...{...B}' * 70}}}fragment B on Q{{{names}}}"
    body = json.dumps({"query": query}).encode()
    lines = graphql(body, "x").split(b"\r\n")
    request = b"\r\n".join(line for line in lines if not line.startswith(b"Authorization"))
    while True:
        await _once(port, done, "queries that are costly to measure", request)


async def _once(port: int, done: Counter[str], what: str, request: bytes) -> None:
    with contextlib.suppress(OSError, TimeoutError, WrongAnswerError):
        await asyncio.wait_for(ask_once(port, request), _TIMEOUT_S)
    done[what] += 1
    await asyncio.sleep(0)


_ABUSES = [_silent, _unfinished, _empty_frames, _wrong_tokens, _noisy, _costly, _fans]


def _say(alone: _Seen, beside: _Seen, options: Options) -> None:
    both = alone, beside
    figures: dict[str, list[float]] = {
        "legitimate requests": [seen.requests for seen in both],
        "of these, wrong or failed": [seen.requests - seen.outcomes["right"] for seen in both],
        "median, ms": [seen.quantile_ms(0.5) for seen in both],
        "99th percentile, ms": [seen.quantile_ms(0.99) for seen in both],
        "longest, ms": [seen.quantile_ms(1) for seen in both],
        "memory of the gateway, MB": [seen.rss_mb for seen in both],
    }
    rows = [(name, *map(number, cells)) for name, cells in figures.items()]
    header = [
        f"{_LEGITIMATE} callers that poll once a second",
        "alone",
        f"{options.seconds:.0f} s of abuse",
    ]
    report.say(report.markdown(header, rows))
    report.say(report.markdown(["abuse", "times"], beside.abuse.most_common()))
    for outcome, count in beside.outcomes.most_common():
        report.progress(f"{count} times {outcome}")
    content = {"alone": alone.outcomes, "beside": beside.outcomes, "abuse": beside.abuse}
    report.write_json("hostile", {**content, "rows": rows}, options)
