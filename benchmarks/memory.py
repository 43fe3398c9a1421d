"""Measures memory, the delay that large answers cause, and the time to start."""

from itertools import islice
from statistics import median

from benchmarks import callers, report
from benchmarks.answers import with_data
from benchmarks.load import Clients, Sample, ask_once, run
from benchmarks.queries import QUERIES
from benchmarks.records import Json
from benchmarks.report import Options, number
from benchmarks.rest import BIG
from benchmarks.servers import GATEWAY, Gateway, Rest, Server, rest_side, serving, until_ready_s
from benchmarks.stalls import watch_big_answers

__all__ = ["run_memory"]

_Q1 = QUERIES["Q1"]
_CALLERS = 5_000
_SETTLING = 200
"""Callers before the first measurement, so that a process's base memory is not counted."""

_REQUESTS = 100_000
_STEP = 10_000
_BOUND = {"GATEWAY_CACHE_MAX_BYTES": "64MiB"}
_NO_BOUND = {"GATEWAY_CACHE_MAX_BYTES": "8GiB"}
_BIG_ANSWERS = {"GATEWAY_MAX_UPSTREAM_BYTES": "64MiB", "GATEWAY_CACHE_MAX_BYTES": "1GiB"}
_TIMES = 5


def run_memory(options: Options) -> None:
    """Measure everything, and print and write the figures."""
    report.say_environment()
    parts = {"caller": _per_caller, "bound": _bound, "stall": _stall, "start": _start}
    names = report.chosen(parts, options.only)
    with rest_side() as rest:
        found = {name: parts[name](rest, options) for name in names}
    report.write_json("memory", found, options)


def _per_caller(rest: Rest, options: Options) -> Json:
    """Measure the memory of a cached caller of 20 sessions, by the growth over 5 000 of them."""
    requests = callers.by_callers(_Q1.body, _SETTLING + _CALLERS)
    with serving(Gateway(_NO_BOUND), rest.url(_Q1.sessions), caches=True) as server:
        run(_send(server, list(islice(requests, _SETTLING)), options))
        before = server.process.rss_bytes()
        run(_send(server, list(islice(requests, _CALLERS)), options))
        grown = server.process.rss_bytes() - before
    report.say(
        f"A cached caller of {_Q1.sessions} sessions takes {grown / _CALLERS / 1000:.0f} kB: "
        f"{grown / 1e6:.0f} MB more for {_CALLERS} of them\n"
    )
    return {"callers": _CALLERS, "grown_bytes": grown, "bytes_per_caller": grown / _CALLERS}


def _bound(rest: Rest, options: Options) -> Json:
    """Record the memory while 5 000 callers send 100 000 requests over a cache of 64 MiB."""
    requests = callers.by_callers(_Q1.body, _CALLERS)
    seen: list[tuple[int, float]] = []
    with serving(Gateway(_BOUND), rest.url(_Q1.sessions), caches=True) as server:
        for sent in range(0, _REQUESTS + 1, _STEP):
            if sent:
                run(_send(server, list(islice(requests, _STEP)), options))
            seen.append((sent, server.process.rss_bytes() / 1e6))
            report.progress(f"{sent} requests: {seen[-1][1]:.0f} MB")
    header = [f"requests of {_CALLERS} callers, cache of 64 MiB", "memory MB"]
    report.say(report.markdown(header, [(sent, number(rss)) for sent, rss in seen]))
    return {"rss_mb": dict(seen)}


async def _send(server: Server, requests: list[bytes], options: Options) -> Sample:
    clients = await Clients.connect(server.port, options.connections)
    check = with_data(_Q1.expected())
    # All of them: the limit, a minute and a half for each thousand, is far too long.
    seconds = len(requests) * 0.09
    sample = await clients.run(iter(requests), check, seconds=seconds, most=len(requests))
    clients.close()
    return sample


def _stall(rest: Rest, _: Options) -> Json:
    """Measure a small query's latency while other callers' answers of 50 MB arrive."""
    run(ask_once(rest.port, callers.rest("", "big-ready")))  # built once, before the measurement
    with serving(Gateway(_BIG_ANSWERS), rest.url(_Q1.sessions), caches=True) as server:
        waits = run(watch_big_answers(server.port, _TIMES))
    alone, beside = sorted(waits.alone_ms), sorted(waits.beside_ms)
    figures = {
        "p99 alone": alone[int(len(alone) * 0.99)],
        "longest alone": alone[-1],
        "p99 beside": beside[int(len(beside) * 0.99)],
        "longest beside, median": median(waits.longest_ms),
        "longest beside": beside[-1],
        "the large answer itself, median": median(waits.big_ms),
    }
    header = [f"a warm Q1 beside another caller's {BIG:,} sessions", "ms"]
    report.say(report.markdown(header, [(name, number(ms)) for name, ms in figures.items()]))
    return {f"{name}, ms": ms for name, ms in figures.items()}


def _start(rest: Rest, _: Options) -> Json:
    """Measure the time from a process's start until it is ready."""
    seconds = [until_ready_s(GATEWAY, rest.url(_Q1.sessions)) for _ in range(_TIMES)]
    report.say(f"Ready {median(seconds):.2f} s after its start (median of {_TIMES})\n")
    return {"seconds": seconds, "median_s": median(seconds)}
