"""uvicorn's configuration, which differs from its defaults for long-lived clients and proxies."""

import asyncio
import contextlib
import errno
import gc
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from gateway import Settings, create_app
from gateway.server import servers
from gateway.server.protocol import GatewayProtocol
from gateway.server.servers import GatewayServer, config_of
from gateway.server.websocket import SocketProtocol
from gateway.web.inbound import Inbound
from gateway.web.websocket.connection import Connection
from tests.support import CREDENTIALS, UPSTREAM_URL, RestSide, served_by
from tests.waiting import until_soon

pytestmark = pytest.mark.socket


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[str]:
    """Serve a gateway with the configuration of `gateway serve` and yield its host and port."""
    app = create_app(
        Settings(upstream_url=UPSTREAM_URL, **settings),
        upstream_transport=httpx.MockTransport(RestSide()),
    )
    with served_by(GatewayServer(config_of(app))) as url:
        yield url.removeprefix("http://")


SUBSCRIPTION = b'{"query": "subscription { chatSessions { chatSessionId } }"}'
STREAM = (
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Accept: text/event-stream\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b"
    % (CREDENTIALS["Authorization"].encode(), len(SUBSCRIPTION), SUBSCRIPTION)
)
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class BusyServer(GatewayServer):
    """A server whose clients connect in the very moment before its port closes."""

    async def main_loop(self) -> None:
        """Connect, and do not let the event loop run before the shutdown."""
        self.should_exit = True
        await super().main_loop()
        self.clients = clients_of(self, 21)
        _, late, stream, *others = self.clients
        stream.sendall(STREAM)
        for client in others:
            client.sendall(REQUEST)
        asyncio.get_running_loop().call_later(0.1, late.sendall, REQUEST)


def test_connections_in_the_backlog_are_answered_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel has accepted them: a proxy would get a reset, and not repeat a POST."""
    monkeypatch.setattr(servers, "_LAST_REQUESTS_S", 1)
    transport = httpx.MockTransport(RestSide())
    app = create_app(Settings(upstream_url=UPSTREAM_URL), upstream_transport=transport)
    server = BusyServer(config_of(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run(sockets=[listener])
    silent, late, stream, *others = ["".join(text_of(client)) for client in server.clients]

    assert silent == ""
    assert "chatSessionId" in stream
    assert stream.endswith("\r\n0\r\n\r\n")  # it was told to end
    for answer in (late, *others):
        assert answer.startswith("HTTP/1.1 200 OK")
        assert "\r\nconnection: close\r\n" in answer


class FloodedServer(GatewayServer):
    """A server whose clients all connect at the same time."""

    iterations = 20

    async def main_loop(self) -> None:
        """Count the connections that are open after a few iterations of the event loop."""
        clients = clients_of(self, 50)
        for _ in range(self.iterations):
            await asyncio.sleep(0)
        self.accepted = len(self.server_state.connections)
        self.shed = self.config.loaded_app.state.edge.connection_limit.shed
        for client in clients:
            client.close()
        self.should_exit = True
        await super().main_loop()


def test_all_waiting_connections_are_accepted_at_once() -> None:
    """Iterations of a busy event loop take long: one connection in each would be too few."""
    server = FloodedServer(config_of(create_app(Settings(upstream_url=UPSTREAM_URL))))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run(sockets=[listener])

    assert server.accepted == 50


def test_at_the_limit_connections_are_accepted_one_by_one() -> None:
    """Of many that have not sent their requests yet, one would replace the other."""
    settings = Settings(upstream_url=UPSTREAM_URL, max_connections=10)
    server = FloodedServer(config_of(create_app(settings)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run(sockets=[listener])

    assert 0 < server.shed <= server.iterations


@pytest.mark.parametrize("call", ["dup", "accept"])
def test_a_server_without_a_free_file_stops(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Connections in the backlog are lost then, and nothing else."""

    def fail(listener: socket.socket) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    server = BusyServer(config_of(create_app(Settings(upstream_url=UPSTREAM_URL))))
    monkeypatch.setattr(socket.socket, call, fail)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run(sockets=[listener])
    for client in server.clients:
        client.close()

    assert server.lifespan.shutdown_event.is_set()


def clients_of(server: GatewayServer, count: int) -> list[socket.socket]:
    """Connect so many clients to a server."""
    (listener,) = server.listeners
    return [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(count)]


def text_of(client: socket.socket) -> Iterator[str]:
    """Read what a client receives until its connection is closed."""
    with client:
        while received := client.recv(65_536):
            yield received.decode()


def test_sockets_have_no_compression() -> None:
    """Compression is off: a small compressed message could fill the memory."""
    with (
        serving() as address,
        connect(
            f"ws://{address}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression="deflate",
            additional_headers=CREDENTIALS,
        ) as opened,
    ):
        assert opened.protocol.extensions == []


@pytest.mark.parametrize(
    "headers",
    [CREDENTIALS, {}, {"Authorization": "NTLM x"}],
    ids=["credentials", "no credentials", "NTLM"],
)
def test_a_closed_socket_is_freed_without_the_garbage_collector(
    headers: dict[str, str],
) -> None:
    """A closed socket is freed at once, and an open one has freed its HTTP connection.

    The garbage collector runs seldom: thousands of handshakes a second would fill the memory.
    """
    kinds = (GatewayProtocol, SocketProtocol, Connection, Inbound)

    def live_kinds() -> set[type]:
        return {type(item) for item in gc.get_objects()}.intersection(kinds)

    with serving() as address:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                with connect(
                    f"ws://{address}/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    additional_headers=headers,
                ) as opened:
                    opened.send('{"type": "connection_init"}')
                    opened.recv(10)
                    until_soon(lambda: GatewayProtocol not in live_kinds())
                    assert opened.ping().wait(10), "it is still open"
            until_soon(lambda: not live_kinds())
        finally:
            gc.enable()


def test_a_page_behind_a_trusted_proxy_can_open_a_socket() -> None:
    """A trusted proxy names the host of the page, which is not in its own Host header."""
    with (
        serving(trusted_proxies="127.0.0.1") as address,
        connect(
            f"ws://{address}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            origin=Origin("https://chat.example"),
            additional_headers={"X-Forwarded-Host": "chat.example", "X-Forwarded-Proto": "https"},
        ) as opened,
    ):
        assert opened.subprotocol == "graphql-transport-ws"


def test_idle_connections_outlast_those_of_proxies() -> None:
    """The idle timeout exceeds the minute of nginx and other proxies."""
    config = config_of(create_app(Settings(upstream_url=UPSTREAM_URL)))

    assert config.timeout_keep_alive == Settings(upstream_url=UPSTREAM_URL).keep_alive == 75


@pytest.mark.parametrize("count", ["", "auto", "4"])
def test_the_number_of_workers_is_our_own_setting(
    count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Platforms set WEB_CONCURRENCY, which uvicorn reads: no value of it fails the start."""
    monkeypatch.setenv("WEB_CONCURRENCY", count)

    assert config_of(create_app(Settings(upstream_url=UPSTREAM_URL))).workers == 1
