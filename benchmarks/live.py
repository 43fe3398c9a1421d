"""Measures 500 screens of 50 callers: their cost, and the delay of a webhook's change."""

import asyncio
import base64
import contextlib
import hmac
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from statistics import median

import orjson
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks import callers, report
from benchmarks.answers import WrongAnswerError
from benchmarks.load import ask_once, run
from benchmarks.records import Json
from benchmarks.report import Options, number
from benchmarks.servers import Gateway, Rest, Server, rest_side, serving

__all__ = ["run_live"]

_SCREENS, _CALLERS = 500, 50
_SESSIONS = 20
_INTERVAL_S, _SLOWEST_S = 5.0, 60.0
_UNTIL_SLOWEST_S = 80
"""While nothing changes, the pause between two polls doubles."""

_INTERVALS = 4
_WEBHOOKS = 20
_BETWEEN_WEBHOOKS_S = 1.2
"""The gateway polls SuperOffice at most once a second."""

_TIMEOUT_S = 30
_SECRET = "of this benchmark alone"  # noqa: S105  not a real secret
_SETTINGS = {
    "GATEWAY_CACHE_TTL": str(_INTERVAL_S),
    "GATEWAY_WEBHOOK_SECRET": _SECRET,
}
_QUERY = "subscription { chatSessions { id chatSessionId status customerName lastMessage } }"


@dataclass
class _Screen:
    """A socket with one subscription: the number of sessions that it shows, and since when."""

    sessions: int = 0
    shown_ns: int = 0

    async def watch(self, port: int, caller: str) -> None:
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=protocols) as socket:
            credentials = {"Authorization": f"Bearer {caller}"}
            await socket.send(_text(type="connection_init", payload=credentials))
            await socket.recv()
            await socket.send(_text(type="subscribe", id="1", payload={"query": _QUERY}))
            async for message in socket:
                now_ns = time.perf_counter_ns()
                self.sessions = len(orjson.loads(message)["payload"]["data"]["chatSessions"])
                self.shown_ns = now_ns


def run_live(options: Options) -> None:
    """Measure everything, and print and write the figures."""
    report.say_environment()
    with (
        rest_side() as rest,
        serving(Gateway(_SETTINGS), rest.url(_SESSIONS), caches=True) as server,
    ):
        found = run(_measure(rest, server))
    header = [f"{_SCREENS} WebSockets of {_CALLERS} callers, {_SESSIONS} sessions each", ""]
    report.say(report.markdown(header, [(name, number(value)) for name, value in found.items()]))
    report.write_json("live", found, options)


async def _measure(rest: Rest, server: Server) -> Json:
    async with _watching(server) as (screens, bytes_per_screen):
        changing = asyncio.create_task(_change_every_second(rest))
        await asyncio.sleep(_INTERVAL_S / 2)  # to start counting between two polls
        calls = await _calls_within(rest, _INTERVALS * _INTERVAL_S)
        changing.cancel()
        await _notify(server)  # so that all screens show the same
        before_s = server.process.cpu_s()
        took_ms = [await _webhook_to_last_ms(rest, server, screens) for _ in range(_WEBHOOKS)]
        event_s = (server.process.cpu_s() - before_s) / _WEBHOOKS
        await asyncio.sleep(_UNTIL_SLOWEST_S)
        before_s = server.process.cpu_s()
        quiet_calls = await _calls_within(rest, _SLOWEST_S)
        quiet_s = (server.process.cpu_s() - before_s) / _SLOWEST_S
    return {
        f"REST calls in {_INTERVAL_S:.0f} s, while chats change": calls / _INTERVALS,
        f"REST calls in {_SLOWEST_S:.0f} s, the slow poll, while none does": quiet_calls,
        f"webhook to the last socket, ms, median of {_WEBHOOKS}": median(took_ms),
        f"webhook to the last socket, ms, longest of {_WEBHOOKS}": max(took_ms),
        "CPU per webhook, until all sockets show it, ms": event_s * 1000,
        "CPU per socket at rest, µs a second": quiet_s / _SCREENS * 1e6,
        "memory of a socket, kB": bytes_per_screen / 1000,
    }


@contextlib.asynccontextmanager
async def _watching(server: Server) -> AsyncIterator[tuple[list[_Screen], float]]:
    """Open all screens; the memory is that of all but each caller's first."""
    screens = [_Screen() for _ in range(_SCREENS)]
    tasks: list[asyncio.Task[None]] = []
    try:
        for some in (screens[:_CALLERS], screens[_CALLERS:]):
            before = server.process.rss_bytes()
            for index, screen in enumerate(some):
                watching = screen.watch(server.port, f"live-{index % _CALLERS}")
                tasks.append(asyncio.create_task(watching))
            await _until_all_show(some, _SESSIONS, 0)
        grown = server.process.rss_bytes() - before
        yield screens, grown / len(some)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _change_every_second(rest: Rest) -> None:
    while True:
        await _change(rest)
        await asyncio.sleep(1)


async def _change(rest: Rest) -> int:
    """Remove a session, or bring some back; return the number of sessions."""
    return int((await ask_once(rest.port, callers.get("/change")))[1]) + _SESSIONS


async def _calls_within(rest: Rest, seconds: float) -> int:
    before = await _calls(rest)
    await asyncio.sleep(seconds)
    return await _calls(rest) - before


async def _calls(rest: Rest) -> int:
    return int((await ask_once(rest.port, callers.get("/calls")))[1])


async def _webhook_to_last_ms(rest: Rest, server: Server, screens: list[_Screen]) -> float:
    """Change something, send a webhook, and wait until every screen shows the change."""
    await asyncio.sleep(_BETWEEN_WEBHOOKS_S)
    sessions = await _change(rest)
    started_ns = time.perf_counter_ns()
    await _notify(server)
    await _until_all_show(screens, sessions, started_ns)
    return (max(screen.shown_ns for screen in screens) - started_ns) / 1e6


async def _until_all_show(screens: list[_Screen], sessions: int, since_ns: int) -> None:
    """Wait until every screen shows this many sessions, since this time.

    Raises:
        WrongAnswerError: it takes too long.
    """
    end = time.monotonic() + _TIMEOUT_S
    while any(s.sessions != sessions or s.shown_ns < since_ns for s in screens):
        if time.monotonic() > end:
            raise WrongAnswerError("not every socket has shown what it should")
        await asyncio.sleep(0.01)


async def _notify(server: Server) -> None:
    """Send a webhook.

    Raises:
        WrongAnswerError: it is refused.
    """
    status, _ = await ask_once(server.port, _webhook(str(time.monotonic_ns())))
    if status != 200:
        raise WrongAnswerError(f"the webhook was answered with {status}")


def _webhook(event_id: str) -> bytes:
    body = orjson.dumps({"EventId": event_id, "Event": "chatsession.changed"})
    signature = base64.b64encode(hmac.digest(_SECRET.encode(), body, "sha256"))
    return (
        b"POST /webhooks/superoffice HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"X-SuperOffice-Signature: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (signature, len(body), body)
    )


def _text(**message: object) -> str:
    return orjson.dumps(message).decode()
