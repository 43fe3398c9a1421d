"""How long others wait while the gateway takes in one very large answer."""

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks import callers
from benchmarks.answers import any_data, with_data
from benchmarks.load import Client, ask_once
from benchmarks.queries import QUERIES

__all__ = ["Waits", "watch_big_answers"]

_PAUSE_S = 0.002
_QUIET_S = 2.0
_QUERY = QUERIES["Q1"]
_SMALL = callers.graphql(_QUERY.body, "small")
_BIG_QUERY = b'{"query": "{ chatSessions(limit: 10) { chatSessionId status } }"}'


@dataclass(slots=True)
class Waits:
    """What a caller of a small answer, who asks every few milliseconds, waited each time."""

    alone_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)
    """While somebody's large answer was under way."""

    longest_ms: list[float] = field(default_factory=list)
    """The longest beside each of the large answers."""

    big_ms: list[float] = field(default_factory=list)
    """What the callers of the large answers waited themselves."""


async def watch_big_answers(port: int, times: int) -> Waits:
    """Ask for a small answer again and again, first alone, then beside so many large ones."""
    waits = Waits()
    client = await Client.connect(port)
    await client.ask(_SMALL)  # from REST, this once
    quiet = asyncio.create_task(asyncio.sleep(_QUIET_S))
    waits.alone_ms = await _ask_until(client, quiet)
    for number in range(times):
        started = time.perf_counter()
        request = callers.graphql(_BIG_QUERY, f"big-{number}")
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
