"""Measures a gateway, and its memory, with ten times as many requests as it admits."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import report
from benchmarks.answers import with_data
from benchmarks.callers import cold
from benchmarks.load import Client, Sample, run
from benchmarks.queries import QUERIES
from benchmarks.report import Options, number
from benchmarks.servers import Gateway, Server, rest_side, serving

__all__ = ["run_overload"]

_MOST_REQUESTS = 64
_DELAY_MS = 50
_QUERY = QUERIES["Q1"]


@dataclass
class _Seen:
    """The answers of one load, and its memory."""

    answered: Sample = field(default_factory=Sample)
    shed: Sample = field(default_factory=Sample)
    rss_mb: float = 0


def run_overload(options: Options) -> None:
    """Measure at capacity, then ten times that, with clients that obey Retry-After or do not."""
    report.say_environment()
    engine = Gateway(
        {"GATEWAY_MAX_REQUESTS": str(_MOST_REQUESTS), "GATEWAY_CACHE_MAX_BYTES": "8MiB"}
    )
    requests = cold(_QUERY.body)
    rows = []
    with (
        rest_side(delay_ms=_DELAY_MS) as rest,
        serving(engine, rest.url(_QUERY.sessions), caches=True) as server,
    ):
        for name, clients, pause_s in (
            ("as many clients as it lets in", _MOST_REQUESTS, 0.0),
            ("ten times as many, that wait as they are told", 10 * _MOST_REQUESTS, 1.0),
            ("ten times as many, that do not wait", 10 * _MOST_REQUESTS, 0.0),
            ("ten times as many, ten times as long", 10 * _MOST_REQUESTS, 1.0),
            ("as many as it lets in, again", _MOST_REQUESTS, 0.0),
        ):
            seconds = options.seconds * (10 if name.endswith("as long") else 1)
            seen = run(_load(server, requests, clients, pause_s, seconds))
            rows.append((name, *_row(seen, seconds)))
            report.progress(" | ".join(rows[-1]))
    columns = ["", "answered/s", "median ms", "p99 ms", "503/s", "median ms", "memory MB"]
    report.say(report.markdown(columns, rows))
    report.write_json("overload", {"columns": columns, "rows": rows}, options)


async def _load(
    server: Server, requests: Iterator[bytes], clients: int, pause_s: float, seconds: float
) -> _Seen:
    seen = _Seen()
    end = time.monotonic() + seconds
    await asyncio.gather(*(_ask(seen, server.port, requests, pause_s, end) for _ in range(clients)))
    seen.rss_mb = server.process.rss_bytes() / 1e6
    return seen


async def _ask(
    seen: _Seen, port: int, requests: Iterator[bytes], pause_s: float, end: float
) -> None:
    check = with_data(_QUERY.expected())
    client = await Client.connect(port)
    while time.monotonic() < end:
        started_ns = time.perf_counter_ns()
        status, body = await client.ask(next(requests))
        took_ns = time.perf_counter_ns() - started_ns
        if status == 503:
            seen.shed.latencies_ns.append(took_ns)
            await asyncio.sleep(pause_s)
        else:
            check(status, body)
            seen.answered.latencies_ns.append(took_ns)
    client.close()


def _row(seen: _Seen, seconds: float) -> list[str]:
    cells = [
        seen.answered.requests / seconds,
        seen.answered.quantile_ms(0.5),
        seen.answered.quantile_ms(0.99),
    ]
    if seen.shed.requests:
        cells += [seen.shed.requests / seconds, seen.shed.quantile_ms(0.5)]
    else:
        cells += [0, 0]
    return [number(cell) for cell in (*cells, seen.rss_mb)]
