"""The fake REST API: prepared bytes as fast as Python can send them, and a count of calls.

Run with `python -m benchmarks.rest`. `/s20/api/v1/ChatSession/ForCurrentUser` returns 20 sessions,
`/s100/…` 100, and without such a part `--sessions`. `GET /calls` returns the number of calls. `GET
/change` removes the last session of all callers, six times, then brings all back; it returns the
number of missing sessions, as `-6`.
"""

import argparse
import asyncio
import re
from collections.abc import Callable
from functools import cache
from typing import cast

import uvloop

from benchmarks.records import rest_body

__all__ = ["BIG", "PATH", "main"]

PATH = "/api/v1/ChatSession/ForCurrentUser"

BIG = 7_500
"""The sessions of callers whose token starts with `big-`, for any path: 50 MB.

Tokens that start with `wrong-` are rejected.
"""

_AUTHORIZATION = re.compile(rb"\r\nauthorization: *(?:bearer (big|wrong)-)?", re.IGNORECASE)
_COUNT = re.compile(r"/s(\d+)")


class _Rest:
    def __init__(self, sessions: int, delay_s: float) -> None:
        self.calls = 0
        self.change = 0
        self.delay_s = delay_s
        self._sessions = sessions

    def answer(self, head: bytes) -> bytes:
        path = head.split(b" ", 2)[1]
        if path == b"/calls":
            return _answer(b"200 OK", b"%d" % self.calls)
        if path == b"/change":
            self.change = -((1 - self.change) % 7)
            return _answer(b"200 OK", b"%d" % self.change)
        if not path.endswith(PATH.encode()):
            return _answer(b"404 Not Found", b"{}")
        self.calls += 1
        authorization = _AUTHORIZATION.search(head)
        if authorization is None or authorization[1] == b"wrong":
            return _answer(b"401 Unauthorized", b"{}")
        return _full(
            BIG if authorization[1] == b"big" else self._count(path.decode()) + self.change
        )

    def _count(self, path: str) -> int:
        count = _COUNT.match(path)
        return int(count[1]) if count else self._sessions


class _Connection(asyncio.Protocol):
    def __init__(self, rest: _Rest) -> None:
        self._rest = rest
        self._received = b""
        self._write: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._send(self._rest.answer(head))

    def _send(self, answer: bytes) -> None:
        if self._write is None:
            return
        if self._rest.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self._rest.delay_s, self._write, answer)
        else:
            self._write(answer)


@cache
def _full(sessions: int) -> bytes:
    return _answer(b"200 OK", rest_body(sessions))


def _answer(status: bytes, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (status, len(body), body)
    )


async def _serve(port: int, rest: _Rest) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(rest), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="Play SuperOffice's REST side.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--delay-ms", type=float, default=0)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, _Rest(arguments.sessions, arguments.delay_ms / 1000)))


if __name__ == "__main__":
    main()
