"""Measures ten minutes of two gateways with a Redis and a REST API that fail at random.

A thousand callers poll their queue every three seconds, each over a connection of its own.
`faulty_rest` has the REST API's faults. Redis, if installed, hangs for three seconds of each
minute.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from benchmarks import report
from benchmarks.answers import WrongAnswerError
from benchmarks.callers import graphql
from benchmarks.faulty_rest import OUTAGE_EVERY_S, OUTAGE_S
from benchmarks.load import Client, ask_once, run
from benchmarks.processes import LOAD_CORE, Process, free_port, started
from benchmarks.queries import QUERIES
from benchmarks.report import Options, number
from benchmarks.servers import Gateway, Server, serving

__all__ = ["run_soak"]

_CALLERS = 1_000
_EVERY_S = 3.0
_LOOK_EVERY_S = 5.0
_REDIS_EVERY_S, _REDIS_PAUSE_S = 60.0, 3.0
_QUIET_S = 15.0
_QUERY = QUERIES["Q1"].body
_CALLS = b"GET /calls HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_TIMEOUT_S = 40


@dataclass
class _Seen:
    """The answers to the callers, and the gateways' resources."""

    outcomes: Counter[str] = field(default_factory=Counter)
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    rss_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ns)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6


def run_soak(options: Options) -> None:
    """Run it for the given seconds, and print and write the figures."""
    report.say_environment()
    seen = _Seen()
    port = free_port()
    rest = [sys.executable, "-m", "benchmarks.faulty_rest", "--port", str(port)]
    with started(rest, {}, LOAD_CORE), _redis() as (redis, settings):
        settings = {
            **settings,
            "GATEWAY_CACHE_TTL": "5",
            "GATEWAY_STALE_IF_ERROR": "60",
            "GATEWAY_CACHE_SECRET": "s" * 32,
        }
        engine = Gateway(settings)
        url = f"http://127.0.0.1:{port}"
        with (
            serving(engine, url, caches=True) as one,
            serving(engine, url, caches=True) as other,
        ):
            run(_soak(seen, [one, other], redis, options.seconds))
            calls = orjson.loads(run(ask_once(port, _CALLS))[1])
    _report(seen, calls, options)


@contextlib.contextmanager
def _redis() -> Iterator[tuple[Process | None, dict[str, str]]]:
    program = shutil.which("redis-server")
    if program is None:
        report.progress("there is no redis-server: each gateway has its own cache")
        yield None, {}
        return
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with started(command, {}, LOAD_CORE) as process:
        yield process, {"GATEWAY_CACHE_URL": f"redis://127.0.0.1:{port}"}


async def _soak(seen: _Seen, servers: list[Server], redis: Process | None, seconds: float) -> None:
    end = time.monotonic() + seconds
    troubles = asyncio.create_task(_stop_redis(redis, end)) if redis else None
    watching = asyncio.create_task(_watch(seen, servers))
    callers = (_call(seen, number, servers, end) for number in range(_CALLERS))
    await asyncio.gather(*callers)
    if troubles is not None:
        await troubles
    await asyncio.sleep(_QUIET_S)  # idle connections close, late REST calls end
    watching.cancel()
    _sample(seen, servers)


async def _call(seen: _Seen, number: int, servers: list[Server], end: float) -> None:
    """Poll the queue every three seconds as one caller, who changes gateways now and then."""
    dice = random.Random(number)  # noqa: S311  no secret
    request = graphql(_QUERY, f"soak-{number}")
    await asyncio.sleep(dice.random() * _EVERY_S)
    client: Client | None = None
    while time.monotonic() < end:
        started_ns = time.perf_counter_ns()
        try:
            if client is None:
                client = await Client.connect(dice.choice(servers).port)
            status, body = await asyncio.wait_for(client.ask(request), _TIMEOUT_S)
            outcome = _outcome(status, body)
        except (OSError, TimeoutError, WrongAnswerError) as exc:
            outcome = f"no answer: {type(exc).__name__}"
        seen.outcomes[outcome] += 1
        took_ns = time.perf_counter_ns() - started_ns
        seen.latencies_ns.append(took_ns)
        if client is not None and (outcome.startswith("no answer") or dice.random() < 0.05):
            client.close()
            client = None
        await asyncio.sleep(max(0.0, _EVERY_S - took_ns / 1e9))
    if client is not None:
        client.close()


def _outcome(status: int, body: bytes) -> str:
    answer = orjson.loads(body)
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    if status != 200:
        return f"status {status}"
    return "stale data" if "extensions" in answer else "data"


async def _watch(seen: _Seen, servers: list[Server]) -> None:
    while True:
        _sample(seen, servers)
        await asyncio.sleep(_LOOK_EVERY_S)


def _sample(seen: _Seen, servers: list[Server]) -> None:
    seen.rss_mb.append(sum(server.process.rss_bytes() for server in servers) / 1e6)
    seen.descriptors.append(sum(server.process.descriptors() for server in servers))


async def _stop_redis(redis: Process, end: float) -> None:
    while time.monotonic() + _REDIS_EVERY_S < end:
        await asyncio.sleep(_REDIS_EVERY_S - _REDIS_PAUSE_S)
        os.kill(redis.pid, signal.SIGSTOP)
        await asyncio.sleep(_REDIS_PAUSE_S)
        os.kill(redis.pid, signal.SIGCONT)


def _report(seen: _Seen, calls: dict[str, int], options: Options) -> None:
    requests, all_calls = sum(seen.outcomes.values()), sum(calls.values())
    report.say(
        f"{options.seconds:.0f} s, {_CALLERS} callers, two gateways; REST down for {OUTAGE_S} s of "
        f"every {OUTAGE_EVERY_S}\n"
    )
    shares = [
        (outcome, _whole(count), f"{count / requests:.3%}")
        for outcome, count in seen.outcomes.most_common()
    ]
    report.say(report.markdown(["what clients saw", "answers", "share"], shares))
    rest = sorted(calls.items(), key=lambda item: -item[1])
    of_calls = [(outcome, _whole(count), f"{count / all_calls:.3%}") for outcome, count in rest]
    report.say(report.markdown(["what REST did", "calls", "share"], of_calls))
    figures = {
        "requests": requests,
        "REST calls": all_calls,
        "latency, median ms": seen.quantile_ms(0.5),
        "latency, 99th percentile ms": seen.quantile_ms(0.99),
        "latency, longest ms": seen.quantile_ms(1),
        "memory of both gateways at the start, MB": seen.rss_mb[0],
        "memory at its most, MB": max(seen.rss_mb),
        "memory at the end, MB": seen.rss_mb[-1],
        "open files and connections at the start": seen.descriptors[0],
        "open files and connections at their most": max(seen.descriptors),
        "open files and connections at the end": seen.descriptors[-1],
    }
    report.say(report.markdown(["", ""], [(name, _whole(n)) for name, n in figures.items()]))
    content = {"clients": seen.outcomes, "rest": calls, "figures": figures, "rss_mb": seen.rss_mb}
    report.write_json("soak", content, options)


def _whole(value: float) -> str:
    return str(value) if isinstance(value, int) and value < 100 else number(value)
