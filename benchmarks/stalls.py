"""Measures the wait of other requests while the gateway works on a large or costly one.

`python -m benchmarks stalls` prints, for each family of requests, the longest wait of a bystander
that polls `/healthz` from its own process. It also prints the memory of an unauthenticated client's
socket.
"""

import asyncio
import json
import re
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Coroutine
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks import callers, report
from benchmarks.answers import any_data, with_data
from benchmarks.load import Client, ask_once, run
from benchmarks.queries import QUERIES
from benchmarks.report import Options, number
from benchmarks.servers import Gateway, Server, rest_side, serving

__all__ = ["Waits", "run_stalls", "watch_big_answers"]

_PAUSE_S = 0.002
_ID, _HEAD = re.compile(r'"id":"(\d+)"'), 100
_QUIET_S = 2.0
_QUERY = QUERIES["Q1"]
_SMALL = callers.graphql(_QUERY.body, "small")
_BIG_QUERY = b'{"query": "{ chatSessions(limit: 10) { chatSessionId status } }"}'


@dataclass(slots=True)
class Waits:
    """The waits of a caller that requests a small answer every few milliseconds."""

    alone_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)
    """The waits during another caller's large answer."""

    longest_ms: list[float] = field(default_factory=list)
    """The longest wait during each large answer."""

    big_ms: list[float] = field(default_factory=list)
    """The waits of the callers of the large answers."""


async def watch_big_answers(port: int, times: int) -> Waits:
    """Repeat a small request, first alone, then during this many large ones."""
    waits = Waits()
    client = await Client.connect(port)
    await client.ask(_SMALL)  # the only one with a REST call
    quiet = asyncio.create_task(asyncio.sleep(_QUIET_S))
    waits.alone_ms = await _ask_until(client, quiet)
    for place in range(times):
        started = time.perf_counter()
        request = callers.graphql(_BIG_QUERY, f"big-{place}")
        big = asyncio.create_task(ask_once(port, request))
        beside_ms = await _ask_until(client, big)
        any_data(*await big)
        waits.big_ms.append((time.perf_counter() - started) * 1000)
        waits.beside_ms += beside_ms
        waits.longest_ms.append(max(beside_ms))
        await asyncio.sleep(_QUIET_S / 4)
    client.close()
    return waits


async def _ask_until(client: Client, task: "asyncio.Task[object]") -> list[float]:
    check = with_data(_QUERY.expected())
    waits_ms = []
    while not task.done():
        started = time.perf_counter()
        check(*await client.ask(_SMALL))
        waits_ms.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(_PAUSE_S)
    return waits_ms


_SESSIONS = 10_000
_SETTINGS = {"GATEWAY_MAX_UPSTREAM_BYTES": "100MiB", "GATEWAY_MAX_COST": "500000"}
_FILTER = ",".join(
    f'{{{name}:{{from:"2030-01-01T00:00:0{n}Z"}}}}'
    for n in range(6)
    for name in ("whenRequested", "whenStarted", "whenEnded", "whenIdle")
)
_FIELDS = "id status customerName lastMessage whenRequested waitSeconds user{id} person{id}"
_NAMES = [*ascii_letters, *(a + b for a in ascii_letters for b in ascii_letters)]


def _roots(count: int, text: str) -> str:
    return "{" + " ".join(f"a{n}:{text.replace('#', str(n))}" for n in range(count)) + "}"


def _fan(roots: str, spreads: int, names: int) -> str:
    inner = " ".join(_NAMES[:names])
    spread = "...{...B}" * spreads
    return f"{{{roots}}}fragment A on Q{{{spread}}}fragment B on Q{{{inner}}}"


_NODES = " ".join(f"node(first:{n}){{...A}}" for n in range(1, 61))
_SUMMARIES = " ".join(f"chatSessionSummary(first:{n}){{...A}}" for n in range(1, 61))
_KEYS = ",".join(f"{{{key}:ASC}}" for key in ("status", "customerName", "whenIdle", "topicId"))
_FAMILIES = {
    "a fan of fragments": _fan(_NODES, 120, 500),
    "a batch of 8 subscriptions": ["subscription " + _fan(_SUMMARIES, 120, 500)] * 8,
    "fields merged at three levels": "{"
    + ("chatSessions{" + ("user{" + "id " * 19 + "}") * 19 + "}") * 2
    + "}",
    "20 equal filters of 24 times": f"query($f:ChatSessionFilter={{or:[{_FILTER}]}})"
    + _roots(20, "chatSessions(limit:1,filter:$f){id}"),
    "20 filters by text": _roots(20, 'chatSessions(limit:1,filter:{search:"x#"}){id}'),
    "20 pages in 4 keys": _roots(
        20,
        f"chatSessionConnection(first:1,orderBy:[{_KEYS}],filter:{{topicId:{{notIn:[#]}}}})"
        "{totalCount}",
    ),
    "20 summaries": _roots(20, "chatSessionSummary(filter:{topicId:{notIn:[#]}}){total}"),
    "20 nodes": _roots(20, 'nodes(ids:["UGVyc29uOjEw","Q29udGFjdDoxMA=="]){id}'),
    "a list of 10,000": f"{{chatSessions{{{_FIELDS}}}}}",
    "a page of 10,000": f"{{chatSessionConnection(first:10000){{edges{{node{{{_FIELDS}}}}}}}}}",
    "a wallboard of ten widgets": "{"
    "a:chatSessionSummary{total byStatus{status count} byAgent{agent{id}count live}}"
    "b:chatSessionSummary(filter:{statusGroup:{in:[LIVE]}}){total byTopic{topicId count}}"
    "c:chatSessionSummary(filter:{topicId:{in:[1,2]}}){longestWaitSeconds longestWaiting{id}}"
    "d:chatSessions(filter:{status:{in:[IN_QUEUE]}},orderBy:{whenRequested:ASC},limit:50){id}"
    "e:chatSessions(filter:{statusGroup:{in:[LIVE]},assigned:true},limit:50){id user{id}}"
    'f:chatSessions(filter:{search:"order"},orderBy:{customerName:DESC},limit:50){id}'
    "g:chatSessions(filter:{transferPending:true},limit:50){id transferTo{id}}"
    "h:chatSessionConnection(first:50,orderBy:{whenRequested:DESC}){edges{cursor node{id}}}"
    "i:chatSessionConnection(first:50,orderBy:{rating:DESC}){totalCount}"
    "j:chatSessionConnection(first:50,filter:{alertLevel:{min:1}}){totalCount}}",
}
_SUBSCRIPTION = f"subscription{{chatSessionChanges{{changes{{kind session{{{_FIELDS}}}}}}}}}"


_HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_HEAD_OF_15_KB = b"\x01\xfe" + (15_000).to_bytes(2, "big") + bytes(4)
_UNAUTHENTICATED = {
    "a WebSocket that says nothing": _HANDSHAKE,
    "an unfinished message of 15 kB": _HANDSHAKE + _HEAD_OF_15_KB + bytes(15_000),
    "200 empty fragments": _HANDSHAKE + b"\x01\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 199,
    "an unfinished head of 60 kB": b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000,
}
_SOCKETS = 400
_ROOM = {"GATEWAY_MAX_SOCKETS": "5000"}  # a tenth of them for unauthenticated clients


def run_stalls(options: Options) -> None:
    """Measure each family, and print and write the table."""
    report.say_environment()
    rows = []
    with (
        rest_side() as rest,
        serving(Gateway(_SETTINGS), rest.url(_SESSIONS), caches=True) as server,
    ):
        works: dict[str, Any] = {
            name: lambda n, family=family: ask_once(server.port, _request(family, n))
            for name, family in _FAMILIES.items()
        }
        works["100 texts on one socket"] = lambda n: _on_socket(
            server.port, [f"{_FAMILIES['a fan of fragments']}#{n}.{i}" for i in range(100)]
        )
        works["a subscription to 10,000"] = lambda _: _on_socket(server.port, [_SUBSCRIPTION])
        for name, work in works.items():
            if options.only and name not in options.only:
                continue
            rounds = [run(_watch(server.port, work(n))) for n in range(options.rounds)]
            longest, took = (max(figures) for figures in zip(*rounds, strict=True))
            rows.append((name, number(longest), number(took)))
            report.progress(" | ".join(rows[-1]))
    columns = [f"over {_SESSIONS:,} sessions", "longest wait of others, ms", "itself, ms"]
    report.say(report.markdown(columns, rows))
    held = []
    for name, sent in _UNAUTHENTICATED.items():
        if options.only and name not in options.only:
            continue
        with rest_side() as rest, serving(Gateway(_ROOM), rest.url(1), caches=True) as server:
            held.append((name, number(run(_held_kb(server, sent)))))
    report.say(report.markdown(["an unauthenticated client sends", "kB held per socket"], held))
    report.write_json("stalls", {"columns": columns, "rows": rows, "held": held}, options)


async def _held_kb(server: Server, sent: bytes) -> float:
    """Return the gateway's growth for each socket of an unauthenticated client."""
    opened, before = [], 0
    for place in range(-_SOCKETS // 10, _SOCKETS):
        if place == 0:  # the first ones allocate a process's base memory
            await asyncio.sleep(1)
            before = server.process.rss_bytes()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        opened.append(writer)
    await asyncio.sleep(1)
    grown = server.process.rss_bytes() - before
    for writer in opened:
        writer.close()
    return grown / _SOCKETS / 1000


def _request(family: Any, place: int) -> bytes:
    """Write a request whose text no earlier one had."""
    if isinstance(family, list):
        body: Any = [{"query": f"{query}#{place}.{i}"} for i, query in enumerate(family)]
    else:
        body = {"query": f"{family}#{place}"}
    return callers.graphql(json.dumps(body).encode(), "first")


async def _watch(port: int, work: Coroutine[Any, Any, object]) -> tuple[float, float]:
    """Return the longest wait for `/healthz` during some work, and the work's duration, in ms."""
    command = (sys.executable, "-m", "benchmarks.bystander", str(port))
    bystander = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert bystander.stdout  # noqa: S101  for mypy
    await bystander.stdout.readline()
    began = time.perf_counter()
    await work
    took_s = time.perf_counter() - began
    longest_s, _ = await bystander.communicate(b"")  # closes its stdin
    return float(longest_s) * 1000, took_s * 1000


async def _on_socket(port: int, queries: list[str]) -> None:
    """Send operations at once, and wait for the first answer to each."""
    protocol = Subprotocol("graphql-transport-ws")
    address = f"ws://127.0.0.1:{port}/graphql"
    async with connect(address, subprotocols=[protocol], max_size=None) as socket:
        init = {"type": "connection_init", "payload": {"Authorization": "Bearer first"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        for id_, query in enumerate(queries):
            payload = {"query": query}
            message = {"type": "subscribe", "id": str(id_), "payload": payload}
            await socket.send(json.dumps(message))
        waiting = {str(id_) for id_ in range(len(queries))}
        while waiting:
            text = str(await socket.recv())[
                :_HEAD
            ]  # parsing all of it would add to the measured wait
            waiting -= set(_ID.findall(text))
