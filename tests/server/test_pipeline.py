"""Requests that are incomplete, or wait in a pipeline, are limited in bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.server import limits
from gateway.server.protocol import GatewayProtocol
from gateway.web.read import body
from tests.server.test_websocket import run_loop
from tests.server.transport import Transport

BODY = 10_000
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY + b"x" * BODY


class Connection:
    """A connection to an application that answers requests when `may_answer` allows it."""

    def __init__(self, app: Any = None) -> None:
        app = app or self.app
        config = uvicorn.Config(app, log_config=None, interface="asgi3", proxy_headers=False)
        config.load()
        protocol = GatewayProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol, self.transport = protocol, Transport()
        self.transport.protocol = protocol
        protocol.connection_made(self.transport)
        self.may_answer = asyncio.Semaphore(0)
        self.calls = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        await self.may_answer.acquire()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def waiting_bytes(self) -> int:
        """The size of the bodies in the pipeline."""
        return sum(len(cycle.body) for cycle, _ in self.protocol.pipeline)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """Return a connection, and close it at the end."""
    opened = Connection()
    yield opened
    opened.transport.close()
    opened.protocol.connection_lost(None)


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2 * BODY
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
INCOMPLETE = {
    "head": HEAD,
    "small headers": HEAD[:40] + b"\r\na:" * 130,
    "HTTP/1.0": HEAD.replace(b"1.1", b"1.0"),
    "handshake": HEAD + b"\r\nConnection: Upgrade\r\nUpgrade: websocket",
    "head before a body": HEAD + b"\r\nContent-Length: 9\r\n\r\n",
    "trailers": CHUNKED + b"0\r\nX: " + b"x" * 2 * BODY,
    "pipelined bodies": REQUEST * 2,
    "pipelined head": REQUEST + HEAD,
}


@pytest.mark.parametrize("sent", INCOMPLETE.values(), ids=INCOMPLETE)
async def test_what_is_not_answered_is_limited_for_all_connections_together(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Past half of the limit strangers get 503, or are closed; a small request is answered."""
    monkeypatch.setattr(body, "MOST_BYTES", 20 * BODY)
    opened = [Connection() for _ in range(20)]
    for connection in opened:
        connection.protocol.data_received(sent)
    refused = [connection for connection in opened if connection.transport.is_closed]
    newcomer = Connection()
    newcomer.may_answer.release()
    newcomer.protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await run_loop(5)

    assert 3 <= len(opened) - len(refused) <= 9
    assert body.IncompleteBytes.held.total() <= 10 * BODY
    assert all(connection.waiting_bytes == 0 for connection in refused)
    is_behind = sent.startswith(REQUEST)
    for connection in refused:
        assert connection.transport.written.startswith(b"" if is_behind else b"HTTP/1.1 503 ")
        assert (b"\r\nretry-after: 1\r\n" in connection.transport.written) is not is_behind
    assert newcomer.transport.written.startswith(b"HTTP/1.1 204")
    for connection in (*opened, newcomer):
        connection.transport.close()
        connection.protocol.connection_lost(None)
    assert not body.IncompleteBytes.held


async def test_nothing_counts_once_it_is_answered(connection: Connection) -> None:
    """Neither a long head or trailers that came in parts, nor requests that waited."""
    for sent in (HEAD, b"\r\nContent-Length: 1\r\n\r\n", b"x" + REQUEST * 2):
        connection.protocol.data_received(sent)
        assert body.IncompleteBytes.held[""] >= BODY
    connection.protocol.data_received(CHUNKED + b"0\r\nX: " + b"x" * 2 * BODY)
    connection.protocol.data_received(b"\r\n\r\n")
    for _ in range(4):
        connection.may_answer.release()
        await run_loop(5)

    assert connection.transport.written.count(b"HTTP/1.1 204") == 4
    assert connection.protocol.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    assert not body.IncompleteBytes.held


async def test_nothing_counts_after_a_refused_handshake(connection: Connection) -> None:
    """Its connection ends as that of a WebSocket."""
    connection.protocol.data_received(HEAD + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    assert body.IncompleteBytes.held[""] >= BODY
    connection.protocol.data_received(b"\r\n")

    assert connection.transport.written.startswith(b"HTTP/1.1 405 ")
    assert connection.transport.get_protocol() is not connection.protocol
    assert not body.IncompleteBytes.held


async def test_answered_requests_do_not_count(connection: Connection) -> None:
    """A client may send any number of requests, with a few of them waiting."""
    for _ in range(5):
        connection.protocol.data_received(REQUEST)
    for _ in range(50):
        connection.protocol.data_received(REQUEST)
        connection.may_answer.release()
        await run_loop(5)

    assert connection.transport.written.count(b"HTTP/1.1 204") == 50
    assert not connection.transport.is_closed
    assert connection.waiting_bytes < 6 * BODY


async def test_small_pieces_of_earlier_requests_do_not_count(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long connection may have any number of bodies in a few small pieces."""
    monkeypatch.setattr(limits, "_MAX_DEBT_BYTES", 1_000)
    for _ in range(5):
        connection.may_answer.release()
        connection.protocol.data_received(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
        )
        for _ in range(3):
            connection.protocol.data_received(b"x")
        await run_loop(5)

    assert connection.transport.written.count(b"HTTP/1.1 204") == 5


TOO_LARGE = "The {} of the request is too large: the head may have 64 KiB."
HEADER, URI = (431, TOO_LARGE.format("head")), (414, TOO_LARGE.format("URI"))
TOO_MANY = (431, "The request has more than 200 headers.")


@pytest.mark.parametrize("first", [1, 60_000, 65_536, 89_999])
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 90_000 + b"\r\n\r\n", HEADER),
        (b"GET / HTTP/1.1\r\n" + b"Name: value\r\n" * 9_000, TOO_MANY),
        (b"GET /" + b"x" * 90_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", URI),
        (b"GET /" + b"x" * 90_000, URI),
        (b"\r\n" * 50_000, HEADER),
    ],
    ids=["header", "endless headers", "URI", "endless URI", "line ends"],
)
async def test_a_long_head_is_refused_in_whatever_pieces_it_comes(
    connection: Connection, first: int, head: bytes, expected: tuple[int, str]
) -> None:
    """Once, with an error as for any other request; then the connection closes."""
    for piece in (head[:first], head[first:]):
        if not connection.transport.is_closed:
            connection.protocol.data_received(piece)

    status, message = expected
    start, _, body = connection.transport.written.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 %d " % status)
    assert start.endswith(b"\r\nconnection: close")
    error = {"message": message, "extensions": {"code": "BAD_REQUEST"}}
    assert json.loads(body) == {"errors": [error]}
    assert connection.transport.is_closed


async def test_headers_and_trailers_are_counted_apart(connection: Connection) -> None:
    """A request with many of both is answered."""
    connection.may_answer.release()
    connection.protocol.data_received(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + b"a: b\r\n" * 150
    )
    connection.protocol.data_received(b"\r\n1\r\nx\r\n0\r\n" + b"a: b\r\n" * 100 + b"\r\n")
    await run_loop(5)

    assert connection.transport.written.startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
    ids=["headers", "trailers"],
)
async def test_tiny_headers_are_not_held_until_their_end(
    connection: Connection, begin: bytes
) -> None:
    """In memory, each takes forty times its bytes."""
    connection.protocol.data_received(begin + b"a:\r\n" * 15_000)

    assert connection.transport.is_closed
    assert connection.protocol.headers == []


@pytest.mark.parametrize(
    "second",
    [
        b"no request\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 201 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
    ],
    ids=["invalid", "many headers", "endless head", "invalid body"],
)
@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_refusal_is_not_the_answer_to_an_earlier_request(
    connection: Connection, second: bytes, *, is_answered: bool
) -> None:
    """A client takes the first answer for that of its first request, so there is none before it."""
    connection.protocol.data_received(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0)
    if is_answered:
        connection.may_answer.release()
        await asyncio.sleep(0)
    connection.protocol.data_received(second)

    lines = [line for line in connection.transport.written.split(b"\r\n") if b"HTTP/1" in line]
    assert [line[:12] for line in lines[:1]] == [b"HTTP/1.1 204"] * is_answered
    assert len(lines) == 2 * is_answered
    assert connection.transport.is_closed


async def test_a_disconnect_ends_a_request_with_others_behind_it() -> None:
    """The first request is told about the disconnect, and nothing is written to its client."""
    received = []
    is_ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        received.extend([await receive(), await receive()])
        await send({"type": "http.response.body", "body": b"late", "more_body": True})
        is_ended.set()

    connection = Connection(app)
    connection.protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    await run_loop(5)
    connection.transport.close()
    connection.protocol.connection_lost(None)
    async with asyncio.timeout(5):
        await is_ended.wait()

    assert received[1] == {"type": "http.disconnect"}
    assert b"late" not in connection.transport.written


async def test_data_after_the_last_request_is_not_refused(connection: Connection) -> None:
    """After a request with `Connection: close` the rest is no request, and only closes."""
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    connection.protocol.data_received(request + b"x" * 100_000)

    assert connection.transport.is_closed
    assert connection.transport.written == b""


async def test_a_little_data_after_the_last_request_is_ignored(connection: Connection) -> None:
    """Old clients end a body with a line break: the request is answered."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    connection.protocol.data_received(request + b"\r\nx")
    assert not connection.transport.is_closed
    connection.may_answer.release()
    await run_loop(5)

    assert connection.transport.written.startswith(b"HTTP/1.1 204 ")


async def test_an_invalid_request_does_not_reach_the_application(
    connection: Connection,
) -> None:
    """An invalid request does not reach the application, which would log another status."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.protocol.data_received(head + b"no chunk")
    await asyncio.sleep(0)

    assert connection.transport.written.startswith(b"HTTP/1.1 400 ")
    assert connection.calls == 0
