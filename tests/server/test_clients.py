"""Slow and vanished clients: none of them occupies a connection, memory or a request forever.

Tests of a timeout shorten it; all others keep the defaults.
"""

import asyncio
import contextlib
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.sync.client import connect

from gateway import Settings, create_app
from gateway.server import limits, one_write, slow_readers
from gateway.server.protocol import GatewayProtocol
from gateway.server.servers import GatewayServer
from gateway.web import response_cache
from gateway.web.read import body
from tests.observe.logged import logged
from tests.server.transport import Transport
from tests.support import UPSTREAM_URL, RestSide, served_by
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

TIMEOUT_S = 0.3
LONG_S = 10
QUERY = json.dumps({"query": "{ chatSessions { customerName } }"}).encode()
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LOGIN = b"Authorization: Bearer a\r\n"
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


def post(content: bytes, more: bytes = b"") -> bytes:
    """Return a whole GraphQL request."""
    return b"%s%s%sContent-Length: %d\r\n\r\n%s" % (POST, LOGIN, more, len(content), content)


@dataclass
class ServedGateway:
    """A running gateway and its open connections and requests."""

    port: int
    server: uvicorn.Server

    @contextlib.contextmanager
    def client(self, receive_buffer: int = 0) -> Iterator[socket.socket]:
        """Connect to the gateway."""
        with socket.socket() as opened:
            if receive_buffer:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            opened.settimeout(LONG_S)
            opened.connect(("127.0.0.1", self.port))
            yield opened

    @property
    def open_count(self) -> int:
        """The number of open connections and requests in progress."""
        state = self.server.server_state
        return len(state.connections) + len(state.tasks)


@contextlib.contextmanager
def serving(rest: RestSide, keep_alive_s: int = 30, **settings: Any) -> Iterator[ServedGateway]:
    """Serve a gateway as `gateway serve` does."""
    transport = httpx.MockTransport(rest)
    app = create_app(Settings(upstream_url=UPSTREAM_URL, **settings), upstream_transport=transport)
    config = uvicorn.Config(
        app,
        http=GatewayProtocol,
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=1,
    )
    server = GatewayServer(config)
    with served_by(server) as url:
        yield ServedGateway(int(url.rpartition(":")[2]), server)


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeouts to a fraction of a second."""
    monkeypatch.setattr(limits, "_HEAD_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(slow_readers, "_READER_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(body, "_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(one_write, "_REST_S", TIMEOUT_S)


@pytest.fixture(scope="module")
def gateway() -> Iterator[ServedGateway]:
    """Return a gateway over a REST API that answers at once."""
    with serving(RestSide()) as running:
        yield running


def drip(client: socket.socket, content: bytes) -> None:
    """Send a byte at a time, slowly, until the gateway closes the connection."""
    for byte in content:
        client.sendall(bytes((byte,)))
        time.sleep(TIMEOUT_S / 5)
    pytest.fail("the gateway read it to the end")  # pragma: no cover - only when it is broken


ENDLESS = b"X: " + b"x" * 1_000


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize(
    ("at_once", "dripped"),
    [
        (b"", ALIVE + ENDLESS),
        (ALIVE, ENDLESS),
        (UPGRADE, ENDLESS),
        (ALIVE + b"\r\n", ALIVE + ENDLESS),
        (ALIVE + b"\r\n", b"\r\n" * 500),
        (POST + LOGIN + b"Content-Length: 1000\r\n\r\n", b" " * 1_000),
        (POST.replace(b"/graphql", b"/healthz") + b"Content-Length: 1000\r\n\r\n", b" " * 1_000),
        (POST + LOGIN + b"Content-Length: 1000000000\r\n\r\n", b" " * 1_000),
    ],
    ids=[
        "a head",
        "the rest of a head",
        "a WebSocket's head",
        "a second head",
        "line ends after a request",
        "a body",
        "a body that is ignored",
        "a body that is refused",
    ],
)
def test_a_client_that_sends_byte_by_byte_is_disconnected(
    gateway: ServedGateway, at_once: bytes, dripped: bytes
) -> None:
    """The timeout is for the whole head or body, not for each byte."""
    with gateway.client() as client:
        client.sendall(at_once)
        with pytest.raises(OSError):
            drip(client, dripped)

    until_soon(lambda: not gateway.open_count)


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize(
    "sent",
    [b"", ALIVE, UPGRADE, POST + LOGIN + b"Content-Length: 9\r\n\r\n{", b"\x16\x03\x01\x02\x00"],
    ids=["nothing", "half a head", "half a WebSocket's head", "half a body", "TLS"],
)
def test_a_client_that_stops_sending_is_disconnected(sent: bytes) -> None:
    """A hundred clients that stop sending are disconnected after the timeout."""
    with serving(RestSide(), keep_alive_s=1) as gateway, contextlib.ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(gateway.client()).sendall(sent)
        until_soon(lambda: not gateway.open_count)


def test_a_head_of_more_than_64_kib_is_refused(gateway: ServedGateway) -> None:
    """A head above 64 KiB is refused, and nothing after it is read."""
    with gateway.client() as client, contextlib.suppress(ConnectionError):
        client.sendall(ALIVE + b"X: " + b"x" * 60_000 + b"\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")

        client.sendall(ALIVE + b"X: " + b"x" * 90_000 + b"\r\n\r\n" + ALIVE + b"\r\n")
        assert b"HTTP/1.1 200" not in b"".join(iter(lambda: client.recv(65_536), b""))


def test_an_endless_head_is_not_read_to_its_end(gateway: ServedGateway) -> None:
    """Of a head of 20 MB, only the first pieces are read."""
    with gateway.client() as client, pytest.raises(OSError):
        client.sendall(ALIVE + b"X: " + b"x" * 20_000_000)

    until_soon(lambda: not gateway.open_count)


def test_a_large_body_does_not_count_as_head(gateway: ServedGateway) -> None:
    """A large body, followed by other requests, is not limited as a head."""
    large = QUERY + b" " * 500_000
    with gateway.client() as client, client.makefile("rb") as answers:
        client.sendall(post(large) + post(QUERY) + ALIVE + b"Connection: close\r\n\r\n")

        assert answers.read().count(b"HTTP/1.1 200 OK") == 3


@pytest.fixture
def large() -> RestSide:
    """Return a REST API whose answer exceeds the socket buffers."""
    return RestSide(body=[{"CustomerName": f"{number}" * 1_000_000} for number in range(9)])


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize(
    ("count", "more"),
    [(1, b""), (3, b""), (1, b"Connection: close\r\n")],
    ids=["an answer", "several", "the last answer"],
)
def test_a_client_that_does_not_read_is_disconnected(
    large: RestSide, count: int, more: bytes
) -> None:
    """A client that reads nothing is disconnected, which frees the rest of its answer."""
    with serving(large) as gateway, gateway.client(receive_buffer=4096) as client:
        client.sendall(post(QUERY, more) * count)
        until_soon(lambda: large.calls == 1)
        until_soon(lambda: not gateway.open_count)


def test_a_client_that_reads_slowly_gets_the_whole_answer(
    large: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout is for reading nothing, so a slow client gets the whole answer."""
    # Time passes while this process is suspended, so no fraction of a second.
    monkeypatch.setattr(slow_readers, "_READER_TIMEOUT_S", 2)
    read = 0
    with serving(large) as gateway, gateway.client() as client:
        client.sendall(post(QUERY, b"Accept-Encoding: identity\r\nConnection: close\r\n"))
        started = time.monotonic()
        while piece := client.recv(200_000):
            read += len(piece)
            time.sleep(0.1)

    assert read > 9_000_000
    assert time.monotonic() - started > 2 * 2


@pytest.mark.parametrize("count", [1, 2])
def test_an_idle_connection_is_closed(count: int) -> None:
    """A connection is closed when it is idle after an executed or a cached answer."""
    with serving(RestSide(), keep_alive_s=1) as gateway, gateway.client() as client:
        for _ in range(count):
            client.sendall(post(QUERY))
            assert b"Ada" in client.recv(65_536)

        assert client.recv(1) == b""


class SlowRest(RestSide):
    """A REST API that answers once `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__(answer=self.wait)
        self.may_answer = threading.Event()

    async def wait(self, request: httpx.Request) -> httpx.Response:
        """Answer with one session once `may_answer` is set."""
        await asyncio.to_thread(self.may_answer.wait, LONG_S)
        return httpx.Response(200, json=[{"CustomerName": "Ada"}])


@pytest.fixture
def slow() -> SlowRest:
    """Return a slow REST API."""
    return SlowRest()


def reset(client: socket.socket) -> None:
    """Reset the connection, as after the loss of a client."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_vanished_client_leaves_nothing(slow: SlowRest) -> None:
    """A vanished client frees its request; its REST call continues for other requests."""
    with serving(slow, max_requests=40) as gateway, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.client()) for _ in range(20)]
        for client in clients:
            client.sendall(post(QUERY))
        until_soon(lambda: len(gateway.server.server_state.tasks) == 20)
        for client in clients:
            reset(client)
        until_soon(lambda: not gateway.open_count)

        with gateway.client() as client:
            client.sendall(post(QUERY))
            slow.may_answer.set()
            assert b"Ada" in client.recv(65_536)
        assert slow.calls == 1


def test_a_vanished_client_with_two_requests_leaves_nothing(slow: SlowRest) -> None:
    """A vanished client frees a request in progress and one in the pipeline."""
    with serving(slow) as gateway:
        with gateway.client() as client:
            client.sendall(post(QUERY) * 2)
            until_soon(lambda: slow.calls == 1)
            reset(client)
        slow.may_answer.set()  # reading is paused: a write detects the reset
        until_soon(lambda: not gateway.open_count)


def test_a_cancelled_batch_is_logged_as_a_batch(slow: SlowRest) -> None:
    """A cancelled batch is logged with the operation name of an answered one."""
    with logged() as log, serving(slow) as gateway:
        with gateway.client() as client:
            client.sendall(post(b"[%b, %b]" % (QUERY, QUERY)))
            until_soon(lambda: slow.calls == 1)
            reset(client)
        until_soon(lambda: not gateway.open_count)
        slow.may_answer.set()

    (event,) = [event for event in log.events if event["event"] == "request"]
    assert (event["operation"], event["outcome"]) == ("batch", "cancelled")


def test_a_request_that_outlasts_the_shutdown_is_answered_with_503(
    slow: SlowRest, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that outlasts the shutdown gets 503 with Retry-After, and no traceback."""
    with serving(slow) as gateway, gateway.client() as client:
        client.sendall(post(QUERY))
        until_soon(lambda: slow.calls == 1)
        gateway.server.should_exit = True
        answer = client.recv(65_536)
        slow.may_answer.set()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"retryAfter":1' in answer
    assert b'"UPSTREAM_UNAVAILABLE"' in answer
    assert "Traceback" not in caplog.text


def test_a_body_that_does_not_come_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place is taken when the body is complete: until then a request costs little."""
    monkeypatch.setattr(response_cache, "_BODY_TIMEOUT_S", 0)
    rest = RestSide()
    with (
        serving(rest, max_requests=1) as gateway,
        gateway.client() as stuck,
        gateway.client() as other,
    ):
        stuck.sendall(POST + LOGIN + b"Content-Length: 9\r\n\r\n{")
        time.sleep(0.1)  # the gateway waits for the rest by then
        other.sendall(post(QUERY))
        assert other.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_a_long_pipeline_closes_the_connection(slow: SlowRest) -> None:
    """A connection with thousands of requests behind a slow one is closed."""
    with serving(slow) as gateway, gateway.client() as client:
        client.sendall(post(QUERY))
        until_soon(lambda: slow.calls == 1)
        with contextlib.suppress(OSError):
            client.sendall((ALIVE + b"\r\n") * 5_000)
        until_soon(lambda: not gateway.server.server_state.connections)

        slow.may_answer.set()
        until_soon(lambda: not gateway.open_count)


def test_a_websocket_outlives_the_timeout_of_a_head(
    gateway: ServedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout of a head does not close a WebSocket, also not after a request."""
    with gateway.client() as client:
        client.sendall(ALIVE + b"\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(limits, "_HEAD_TIMEOUT_S", TIMEOUT_S)
        with connect(
            f"ws://127.0.0.1:{gateway.port}/graphql",
            sock=client,
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]  # a NewType of str
        ) as web_socket:
            web_socket.send('{"type": "connection_init"}')
            time.sleep(TIMEOUT_S * 3)
            assert json.loads(web_socket.recv(LONG_S)) == {"type": "connection_ack"}
            web_socket.send('{"type": "ping"}')
            assert json.loads(web_socket.recv(LONG_S)) == {"type": "pong"}


def test_a_connection_without_a_request_makes_room(slow: SlowRest) -> None:
    """At the limit, an idle connection is closed for a new one; requests continue."""
    with (
        logged() as log,
        serving(slow, max_connections=3) as gateway,
        gateway.client() as busy,
        contextlib.ExitStack() as stack,
    ):
        busy.sendall(post(QUERY))
        until_soon(lambda: slow.calls == 1)
        idle = [stack.enter_context(gateway.client()) for _ in range(2)]
        for _ in range(5):
            with gateway.client() as client:
                client.sendall(ALIVE + b"\r\n")
                assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        slow.may_answer.set()
        assert b"Ada" in busy.recv(65_536)
        closed = select.select(idle, [], [], LONG_S)[0][0]
        assert closed.recv(1) == b""

    warnings = [event["event"] for event in log.events if event["level"] == "warning"]
    assert warnings == ["3 connections are open: new ones replace those without a whole request"]


class Connections(set[Any]):
    """Open connections; counts those that are looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Any]:
        for connection in super().__iter__():
            self.looked_at += 1
            yield connection


async def test_to_make_room_takes_no_search_among_idle_connections() -> None:
    """A flood of new connections costs little: the first idle one that is found is closed."""
    app = create_app(Settings(upstream_url=UPSTREAM_URL, max_connections=50))
    config = uvicorn.Config(app, log_config=None, interface="asgi3", proxy_headers=False)
    config.load()
    state, transports = ServerState(), [Transport() for _ in range(51)]
    state.connections = Connections()
    for transport in transports:
        protocol = GatewayProtocol(config, state, {}, asyncio.get_running_loop())
        transport.protocol = protocol
        protocol.connection_made(transport)

    assert sum(transport.is_closed for transport in transports) == 1
    assert state.connections.looked_at <= 2
    for transport in transports:
        transport.get_protocol().connection_lost(None)
        transport.close()


def test_a_connection_whose_body_does_not_come_makes_room(slow: SlowRest) -> None:
    """At the limit, a request without its whole body is no reason to keep a connection."""
    with serving(slow, max_connections=3) as gateway, contextlib.ExitStack() as stack:
        busy, *parts = (stack.enter_context(gateway.client()) for _ in range(3))
        busy.sendall(post(QUERY))
        for part in parts:
            part.sendall(post(QUERY)[:-1])
        whole = [busy]
        admission = gateway.server.config.loaded_app.state.edge.admission
        until_soon(lambda: admission.in_progress == 1 and gateway.open_count == 6)

        for _ in parts:
            whole.append(stack.enter_context(gateway.client()))
            whole[-1].sendall(post(QUERY))
            until_soon(lambda: admission.in_progress == len(whole))
        assert [part.recv(1) for part in parts] == [b""] * 2
        slow.may_answer.set()
        assert all(b"Ada" in client.recv(65_536) for client in whole)


def test_a_connection_past_the_limit_is_closed_if_all_others_have_requests(slow: SlowRest) -> None:
    """A new connection is closed if all others have requests in progress."""
    with (
        serving(slow, max_connections=2) as gateway,
        gateway.client() as first,
        gateway.client() as second,
    ):
        for client in (first, second):
            client.sendall(post(QUERY))
        until_soon(lambda: slow.calls == 1)
        with gateway.client() as refused, contextlib.suppress(ConnectionError):
            assert refused.recv(1) == b""
        slow.may_answer.set()
        for client in (first, second):
            assert b"Ada" in client.recv(65_536)
        with gateway.client() as third:
            third.sendall(post(QUERY))
            assert b"Ada" in third.recv(65_536)


@pytest.mark.parametrize(
    "more",
    [b"", b"Connection: close\r\n", b"Origin: http://x\r\n"],
    ids=["a program", "the last one", "a page"],
)
def test_a_request_past_the_limit_is_shed_before_its_body_arrives(
    slow: SlowRest, more: bytes
) -> None:
    """A request past the limit gets 503 before its body arrives, and may still send it."""
    with (
        serving(slow, max_requests=1) as gateway,
        gateway.client() as first,
        gateway.client() as second,
    ):
        first.sendall(post(QUERY))
        until_soon(lambda: slow.calls == 1)
        second.sendall(POST + LOGIN + more + b"Content-Length: 1000000\r\n\r\n")
        refused = second.recv(65_536)
        slow.may_answer.set()

        assert refused.startswith(b"HTTP/1.1 503")
        assert b"\r\nretry-after: 1\r\n" in refused
        assert refused.count(b"\r\nconnection: close\r\n") == 1
        assert b"Ada" in first.recv(65_536)
        second.sendall(b"x" * 1_000_000)
        assert second.recv(1) == b""
