"""Measures the bytes and REST calls that the gateway saves, and the time that it adds."""

import asyncio
import json
from collections.abc import Iterator
from itertools import cycle
from random import Random

from benchmarks import callers, report
from benchmarks.answers import Check, any_data, exactly, with_data
from benchmarks.load import Clients, Sample, ask_once, run
from benchmarks.queries import QUERIES
from benchmarks.records import Json, rest_body
from benchmarks.report import Options, number
from benchmarks.servers import GATEWAY, Gateway, rest_side, serving

__all__ = ["run_savings"]

_WALLBOARD = """
query Wallboard {
  chatSessionSummary {
    fetchedAt
    byTopic { topicId count waiting }
    byAgent { agent { fullName } live }
    longestWaitSeconds
    longestWaiting { chatSessionId customerName }
    oldestUnanswered { chatSessionId idleSeconds user { fullName } }
  }
}
"""
_QUEUE = """
query Queue($topics: [Int!] = [10, 30]) {
  chatSessions(
    filter: { topicId: { in: $topics }, statusGroup: { in: [WAITING] } }
    orderBy: [{ whenRequested: ASC }]
    limit: 10
  ) {
    id
    chatSessionId
    customerName
    firstMessage
    waitSeconds
  }
}
"""
_SESSIONS = 20
_CALLERS = 200
_EVERY_S = 5.0
_FOR_S = 30.0
_DELAY_MS = 50.0
_DEFAULT_TTL = {"GATEWAY_CACHE_TTL": "5"}


def run_savings(options: Options) -> None:
    """Measure everything, and print and write the figures."""
    report.say_environment()
    parts = {"bytes": _bytes, "calls": _calls, "latency": _latency, "slow": _slow}
    names = report.chosen(parts, options.only)
    report.write_json("savings", {name: parts[name](options) for name in names}, options)


def _bytes(_: Options) -> Json:
    """Compare the sizes of two answers like the README's with the REST answer, over 20 sessions."""
    plain = {"REST": rest_body(_SESSIONS)}
    with (
        rest_side() as rest,
        serving(GATEWAY, rest.url(_SESSIONS), caches=True) as server,
    ):
        for name, query in (("wallboard", _WALLBOARD), ("queue", _QUEUE)):
            plain[name] = _answer(server.port, query)
    sizes = {name: len(body) for name, body in plain.items()}
    # Not compressed: these sessions are too similar for a meaningful ratio.
    rows = [(name, size, f"{size / sizes['REST']:.2%}") for name, size in sizes.items()]
    report.say(report.markdown([f"{_SESSIONS} sessions", "bytes", "of REST's"], rows))
    return sizes


def _answer(port: int, query: str) -> bytes:
    body = json.dumps({"query": query}).encode()
    status, answer = run(ask_once(port, callers.graphql(body, "same")))
    any_data(status, answer)
    return answer


def _calls(_: Options) -> Json:
    """Count the REST calls of 200 pages, each with three queries of its own every 5 s."""
    gateway = Gateway(_DEFAULT_TTL)
    with (
        rest_side() as rest,
        serving(gateway, rest.url(_SESSIONS), caches=True) as server,
    ):
        before = rest.calls()
        requests = run(_poll(server.port))
        calls = rest.calls() - before
    report.say(
        f"{_CALLERS} callers with three queries each, every {_EVERY_S:g} s for {_FOR_S:g} s: "
        f"{requests} requests, {calls} REST calls, {1 - calls / requests:.1%} saved\n"
    )
    return {"requests": requests, "rest_calls": calls}


async def _poll(port: int) -> int:
    """Let all pages poll, and return the number of requests."""
    bodies = [json.dumps({"query": query}).encode() for query in (_WALLBOARD, _QUEUE)]
    bodies.append(QUERIES["Q1"].body)
    chance = Random(1)  # noqa: S311  moments, not secrets
    # The three start at different moments, like widgets that were opened one by one.
    polls = [
        _poll_one(port, callers.graphql(body, f"page-{caller}"), chance.uniform(0, _EVERY_S))
        for caller in range(_CALLERS)
        for body in bodies
    ]
    return sum(await asyncio.gather(*polls))


async def _poll_one(port: int, request: bytes, first_s: float) -> int:
    loop = asyncio.get_running_loop()
    start = loop.time()
    moments = [first_s + turn * _EVERY_S for turn in range(round(_FOR_S / _EVERY_S))]
    for moment in moments:
        await asyncio.sleep(start + moment - loop.time())
        any_data(*await ask_once(port, request))
    return len(moments)


def _latency(options: Options) -> Json:
    """Compare the latency of one connection to the REST API and through the gateway."""
    query = QUERIES["Q1"]
    check = with_data(query.expected())
    found: dict[str, Sample] = {}
    with rest_side() as rest:
        url = rest.url(_SESSIONS)
        direct = cycle([callers.rest(f"/s{_SESSIONS}")])
        found["REST itself"] = _one(rest.port, direct, exactly(rest_body(_SESSIONS)), options)
        for kind in ("cold", "warm"):
            with serving(GATEWAY, url, caches=kind == "warm") as server:
                requests = callers.KINDS[kind](query)
                found[f"gateway, {kind}"] = _one(server.port, requests, check, options)
    shown = {name: (s.quantile_ms(0.5), s.quantile_ms(0.99)) for name, s in found.items()}
    rows = [(name, number(p50), number(p99)) for name, (p50, p99) in shown.items()]
    report.say(report.markdown(["one connection, Q1", "p50 ms", "p99 ms"], rows))
    return {name: {"p50_ms": p50, "p99_ms": p99} for name, (p50, p99) in shown.items()}


def _one(port: int, requests: Iterator[bytes], check: Check, options: Options) -> Sample:
    async def load() -> Sample:
        clients = await Clients.connect(port, 1)
        await clients.run(requests, check, seconds=options.warm_up_s)
        sample = await clients.run(requests, check, seconds=options.seconds)
        clients.close()
        return sample

    return run(load())


def _slow(options: Options) -> Json:
    """Load a gateway over a REST API that takes 50 ms, as one caller over many connections."""
    found: dict[str, Json] = {}
    with rest_side(delay_ms=_DELAY_MS) as rest:
        for name, ttl in (("not cached", "0"), ("cached for 5 s", "5")):
            gateway = Gateway({"GATEWAY_CACHE_TTL": ttl})
            with serving(gateway, rest.url(_SESSIONS), caches=True) as server:
                before = rest.calls()
                sample = run(_load_once(server.port, options))
                calls = rest.calls() - before
            per_request = calls / sample.requests
            found[name] = {"rps": sample.rps, "calls": calls, "calls_per_request": per_request}
    header = [f"REST takes {_DELAY_MS:g} ms, one caller", "requests per s", "calls", "per request"]
    rows = [
        (name, number(f["rps"]), f["calls"], f"{f['calls_per_request']:.4f}")
        for name, f in found.items()
    ]
    report.say(report.markdown(header, rows))
    return found


async def _load_once(port: int, options: Options) -> Sample:
    query = QUERIES["Q1"]
    clients = await Clients.connect(port, options.connections)
    requests, check = callers.KINDS["warm"](query), with_data(query.expected())
    sample = await clients.run(requests, check, seconds=options.seconds)
    clients.close()
    return sample
