"""Clients that do not read their answers share a limit on unsent bytes."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from gateway import Settings, create_app
from gateway.server.protocol import GatewayProtocol
from gateway.server.websocket import SocketProtocol
from tests.server.transport import Transport
from tests.support import UPSTREAM_URL, RestSide, served

pytestmark = pytest.mark.socket

LARGE = 8 * 2**20  # more than the system takes
LIMIT = 3 * LARGE
QUERY = {"query": "{ chatSessions { customerName } }"}
Connect = Callable[[bytes], socket.socket]


@pytest.fixture
def app() -> Any:
    """Return an application whose answers have eight megabytes."""
    rest = RestSide(answer=lambda _: httpx.Response(200, json=[{"CustomerName": "x" * LARGE}]))
    app = create_app(
        Settings(upstream_url=UPSTREAM_URL), upstream_transport=httpx.MockTransport(rest)
    )
    app.state.edge.unsent_limit.most = LIMIT
    return app


@pytest.fixture
def connect(app: Any) -> Iterator[Connect]:
    """Return a function that connects a client with a small receive buffer and sends bytes."""
    with (
        served(app, http=GatewayProtocol, ws=SocketProtocol, proxy_headers=False) as url,
        ExitStack() as opened,
    ):

        def connected(sent: bytes) -> socket.socket:
            client = opened.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.settimeout(10)
            client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            client.sendall(sent)
            return client

        yield connected


def post(caller: str) -> bytes:
    """Return a request for an answer of eight megabytes."""
    body = json.dumps(QUERY).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def frame(message: dict[str, Any]) -> bytes:
    """Return a message of a WebSocket's client."""
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)


def over_a_websocket(connect: Connect, caller: str, times: int = 1) -> socket.socket:
    """Ask once or several times for an answer of eight megabytes over a WebSocket."""
    client = connect(
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    read_until(client, b"\r\n\r\n")
    credentials = {"Authorization": f"Bearer {caller}"}
    client.sendall(frame({"type": "connection_init", "payload": credentials}))
    read_until(client, b"connection_ack")
    messages = ({"id": f"{n}", "type": "subscribe", "payload": QUERY} for n in range(times))
    client.sendall(b"".join(map(frame, messages)))
    return client


def read_until(client: socket.socket, text: bytes) -> None:
    """Read until this text has come."""
    received = b""
    while text not in received:
        received += (data := client.recv(4_096))
        assert data, received


def over_http(connect: Connect, caller: str) -> socket.socket:
    """Ask for an answer of eight megabytes over HTTP."""
    return connect(post(caller))


def as_stream(connect: Connect, caller: str) -> socket.socket:
    """Ask for an answer of eight megabytes as an event stream."""
    return connect(post(caller).replace(b"Host", b"Accept: text/event-stream\r\nHost"))


def read(client: socket.socket, count: int) -> int:
    """Read until so many bytes have come, or the connection ends; return their number."""
    size = 0
    with suppress(ConnectionResetError):
        while size < count and (data := client.recv(min(65_536, count - size))):
            size += len(data)
    return size


@pytest.mark.parametrize("ask", [over_http, over_a_websocket])
def test_the_caller_with_the_most_unsent_bytes_is_disconnected(
    app: Any, connect: Connect, ask: Callable[[Connect, str], socket.socket]
) -> None:
    """Past the limit, the greediest caller loses connections; others get their whole answers."""
    limit = app.state.edge.unsent_limit
    honest = ask(connect, "honest")
    greedy = [ask(connect, "greedy") for _ in range(12)]
    deadline = time.monotonic() + 10
    while limit.shed < 1 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert read(honest, LARGE) >= LARGE
    assert 1 <= sum(read(client, LARGE) < LARGE for client in greedy) == limit.shed
    assert limit.shed < len(greedy), "those within the limit are served"


@pytest.mark.parametrize("ask", [over_http, as_stream, over_a_websocket])
def test_an_answer_that_was_sent_in_part_counts_as_a_whole(
    app: Any, connect: Connect, ask: Callable[[Connect, str], socket.socket]
) -> None:
    """Each of four clients reads half of its answer: four whole ones are held."""
    app.state.edge.unsent_limit.most = LIMIT + LARGE // 2
    clients = [ask(connect, "greedy") for _ in range(4)]
    for client in clients:
        read(client, LARGE // 2)

    assert sum(read(client, LARGE // 2) == LARGE // 2 for client in clients) == 3
    assert app.state.edge.unsent_limit.shed == 1


def test_messages_that_wait_for_a_slow_reader_count(app: Any, connect: Connect) -> None:
    """A WebSocket with many answers, which wait until its client reads, is disconnected."""
    client = over_a_websocket(connect, "greedy", times=8)
    deadline = time.monotonic() + 10
    while not app.state.edge.unsent_limit.shed and time.monotonic() < deadline:
        time.sleep(0.01)

    assert app.state.edge.unsent_limit.shed == 1
    assert read(client, 8 * LARGE) < LARGE


def test_a_pipelined_answer_that_waits_counts(app: Any, connect: Connect) -> None:
    """Four answers are held: two that were sent in part, each of which is held as a whole, too."""
    clients = [connect(2 * post("greedy")) for _ in range(2)]
    deadline = time.monotonic() + 10
    while not app.state.edge.unsent_limit.shed and time.monotonic() < deadline:
        time.sleep(0.01)

    assert app.state.edge.unsent_limit.shed == 1
    assert sorted(read(client, 2 * LARGE) >= 2 * LARGE for client in clients) == [False, True]


def test_answers_that_are_read_do_not_count(app: Any, connect: Connect) -> None:
    """A client may read any number of answers, one after another, and disconnect."""
    for _ in range(8):
        assert read(connect(post("a")), LARGE) >= LARGE

    connect(post("a")).close()
    limit = app.state.edge.unsent_limit
    deadline = time.monotonic() + 10
    while limit._callers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not limit._callers
    assert limit.shed == 0


def opened(app: Any) -> GatewayProtocol:
    """Return a connection without a network."""
    config = uvicorn.Config(app, log_config=None, interface="asgi3", proxy_headers=False)
    config.load()
    protocol = GatewayProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    transport = Transport()
    transport.protocol = protocol
    protocol.connection_made(transport)
    return protocol


async def test_messages_that_were_sent_do_not_count(app: Any) -> None:
    """Neither those sent at once count, nor those that waited for the client."""
    protocol = opened(app)
    sizes = []
    for is_slow in (False, True, False):
        (protocol.pause_writing if is_slow else protocol.resume_writing)()
        with protocol.sending(100):
            sizes.append(protocol.unsent_bytes)
        sizes.append(protocol.unsent_bytes)
    protocol.connection_lost(None)

    assert sizes == [0, 0, 100, 100, 0, 0]


async def test_strangers_share_one_share(app: Any) -> None:
    """Made-up logins, which cost nothing, do not make one client many callers."""
    edge = app.state.edge
    for name in (b"made-up", b"made-up-too"):
        protocol = opened(app)
        headers = [(b"authorization", b"Bearer " + name)]
        protocol.scope = {"path": "/graphql", "headers": headers}
        edge.door.enter(protocol.scope)
        protocol.pause_writing()

    assert [*edge.unsent_limit._callers.values()] == ["", ""]
    for protocol in [*edge.unsent_limit._callers]:
        protocol.connection_lost(None)
    assert not edge.unsent_limit._callers
