"""A REST API on real sockets with any fault that TCP allows, and gateways over it."""

import asyncio
import contextlib
import ctypes
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway import create_app
from tests.support import CREDENTIALS, SESSION, Gateway, loaded, running

QUERY = "{ chatSessions { chatSessionId customerName } }"
DATA = {"chatSessions": [{"chatSessionId": 1, "customerName": "Ada"}]}
BODY = json.dumps([SESSION]).encode()

_SO_ATTACH_FILTER = 26  # of Linux; Python has no name for it

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Play = bytes | Behaviour
"""The reaction to one request: bytes to send, or a behaviour that ends the connection."""


def answer(
    body: bytes = BODY,
    *headers: str,
    status: str = "200 OK",
    content_type: str = "application/json",
) -> bytes:
    """Return a well-formed HTTP answer, after which the connection stays open."""
    fields = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return head(*fields, status=status) + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    """Return the head of an HTTP answer."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "")).encode()


def closes(data: bytes = b"") -> Behaviour:
    """Send bytes and close the connection."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return play


def resets(data: bytes = b"") -> Behaviour:
    """Send bytes and reset the connection (RST in place of FIN)."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)  # a reset may overtake the bytes before it
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        writer.transport.abort()

    return play


def stalls(data: bytes = b"") -> Behaviour:
    """Send bytes and then nothing more, until the other side closes."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    return play


def dies(data: bytes = b"") -> Behaviour:
    """Send bytes, and then acknowledge nothing: packets vanish, as of a host that is gone."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)  # the request is acknowledged
        writer.write(data)
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # "return 0"
        program = struct.pack("HP", 1, ctypes.addressof(drop_all))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        await asyncio.Event().wait()

    return play


def sends_in_parts(*parts: bytes) -> Behaviour:
    """Send each part in a packet of its own, and then nothing more."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()

    return play


def drips(data: bytes, *, every_s: float) -> Behaviour:
    """Send one byte at a time."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_s)

    return play


def never_ends(first: bytes, chunk: bytes) -> Behaviour:
    """Send the same chunk repeatedly until the other side closes."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(chunk)
            await writer.drain()

    return play


def waits_for(event: asyncio.Event, data: bytes) -> Behaviour:
    """Send bytes once the event is set."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await event.wait()
        writer.write(data)

    return play


@dataclass
class FaultyRest:
    """Plays `plays` in turn, one per request, and repeats the last.

    Bytes leave the connection open for the next request; a behaviour closes it at its end.
    """

    plays: Sequence[Play] = (answer(),)
    scheme: str = "http"
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.requests)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def play(self, *plays: Play) -> None:
        """Replace the plays and reset the counts."""
        self.plays = plays
        self.requests.clear()
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                play = self.plays[min(self.calls, len(self.plays)) - 1]
                if not isinstance(play, bytes):
                    await play(reader, writer)
                    break
                writer.write(play)
                await writer.drain()


@contextlib.asynccontextmanager
async def faulty_rest(
    *plays: Play, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[FaultyRest]:
    """Run a faulty REST API on a loopback port, a free one by default."""
    rest = FaultyRest(plays or (answer(),), scheme="https" if tls else "http")
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await rest(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    rest.port = server.sockets[0].getsockname()[1]
    try:
        yield rest
    finally:
        server.close()
        await server.wait_closed()
        for task in (unfinished := [*serving]):
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


@contextlib.asynccontextmanager
async def gateway_to(url: str, **settings: Any) -> AsyncIterator[Gateway]:
    """Run a gateway in process that calls REST over the network."""
    defaults = {"upstream_url": url, "upstream_timeout": 5, "max_upstream_bytes": 2**20}
    async with running(create_app(loaded({**defaults, **settings}))) as gateway:
        yield gateway


async def ask(gateway: Gateway, accept: str = "application/json", user: str = "") -> httpx.Response:
    """Send the query as this user; different users share nothing in the cache."""
    authorization = f"Bearer {user}" if user else CREDENTIALS["Authorization"]
    return await gateway.post(QUERY, headers={"Authorization": authorization, "Accept": accept})


GRAPHQL_JSON = "application/graphql-response+json"
MARKER = "Zq7-from-the-upstream"
"""A text in REST's answers that must not reach a client or the log."""

_INTERNALS = (
    MARKER,
    CREDENTIALS["Authorization"].split()[1],
    "127.0.0.1",
    "ForCurrentUser",
    "Traceback",
    "Errno",
    "_ssl.c",
    "httpx",
    "httpcore",
    "h11",
)


def leaks_in(text: str) -> list[str]:
    """Return the internals of the upstream side that a text contains."""
    return [word for word in _INTERNALS if word in text]


@dataclass(frozen=True)
class Failure:
    """Answers during and after a failure of REST."""

    as_json: httpx.Response
    as_graphql: httpx.Response
    calls: int
    """REST calls for one request."""

    took_s: float
    afterwards: httpx.Response

    @property
    def error(self) -> Any:
        """The first error under `application/json`."""
        return self.as_json.json()["errors"][0]

    @property
    def texts(self) -> str:
        """Everything that the clients received."""
        answers = (self.as_json, self.as_graphql)
        return "".join(f"{answer.headers!r}{answer.text}" for answer in answers)


async def failure_of(rest: FaultyRest, gateway: Gateway) -> Failure:
    """Send a request for each media type, as two users; then repair REST and send another."""
    clock = asyncio.get_running_loop().time
    started = clock()
    as_json, as_graphql = await asyncio.gather(
        ask(gateway, user="1"), ask(gateway, GRAPHQL_JSON, user="2")
    )
    took_s, calls = clock() - started, rest.calls // 2
    rest.play(answer())
    # A rejected password is remembered for a while.
    afterwards = await ask(gateway, user="3" if as_graphql.status_code == 401 else "1")
    return Failure(as_json, as_graphql, calls, took_s, afterwards)
