"""What uvicorn is told: its defaults are not made for clients and proxies that stay."""

import contextlib
import gc
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from gateway import Settings, create_app
from gateway.server.protocol import GatewayProtocol
from gateway.server.servers import GatewayServer, config_of
from gateway.server.websocket import SocketProtocol
from gateway.web.inbound import Inbound
from gateway.web.websocket.connection import Connection
from tests.server.test_clients import until
from tests.support import CREDENTIALS, UPSTREAM_URL, RestSide

pytestmark = pytest.mark.socket


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[str]:
    """Serve a gateway with the configuration of `gateway serve`; gives its host and port."""
    app = create_app(
        Settings(upstream_url=UPSTREAM_URL, **settings),
        upstream_transport=httpx.MockTransport(RestSide()),
    )
    server = GatewayServer(config_of(app))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_nothing_is_inflated_for_a_socket() -> None:
    """A thousandth of the bytes would do for what fills the memory."""
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


@pytest.mark.parametrize("headers", [CREDENTIALS, {}, {"Authorization": "NTLM x"}])
def test_a_socket_that_closes_leaves_nothing_to_the_garbage_collector(
    headers: dict[str, str],
) -> None:
    """It runs seldom, and thousands of strangers a second would fill the memory until then.

    An open one has no HTTP connection any more.
    """
    kinds = (GatewayProtocol, SocketProtocol, Connection, Inbound)

    def held() -> set[type]:
        return {type(found) for found in gc.get_objects()}.intersection(kinds)

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
                    until(lambda: GatewayProtocol not in held())
                    assert opened.ping().wait(10), "it is still open"
            until(lambda: not held())
        finally:
            gc.enable()


def test_a_socket_of_the_page_opens_where_a_trusted_proxy_names_its_host() -> None:
    """The proxy's own `Host` is another one, as with nginx' `proxy_pass` alone."""
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


def test_an_idle_connection_stays_for_longer_than_a_proxy_keeps_it() -> None:
    """Nginx and others keep theirs for a minute."""
    config = config_of(create_app(Settings(upstream_url=UPSTREAM_URL)))

    assert config.timeout_keep_alive == Settings(upstream_url=UPSTREAM_URL).keep_alive == 75


def test_a_silent_socket_is_not_closed_with_a_final_code() -> None:
    """Npm graphql-ws does not come back after 1011, which ends a ping that nobody answers."""
    config = config_of(create_app(Settings(upstream_url=UPSTREAM_URL)))

    assert config.ws_ping_interval is not None
    assert config.ws_ping_timeout is None
