"""The head of a request comes in time and in measure, or the connection is closed."""

import socket
from collections.abc import Iterator

import pytest

from gateway import Settings, create_app
from gateway.web import http_protocol
from gateway.web.http_protocol import GatewayProtocol
from tests.support import served

pytestmark = pytest.mark.socket

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return a connection to a gateway that waits a fifth of a second for a head."""
    monkeypatch.setattr(http_protocol, "_PATIENCE_S", 0.2)
    app = create_app(Settings(upstream_url="http://rest.invalid"))
    with (
        served(app, http=GatewayProtocol) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 10) as opened,
    ):
        yield opened


@pytest.mark.parametrize("sent", [b"", b"GET", ALIVE, ALIVE + b"\r\nGET /healthz HTTP/1.1\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(
    connection: socket.socket, sent: bytes
) -> None:
    """The first one, half of one, or half of the next one on the same connection."""
    connection.sendall(sent)

    while connection.recv(65_536):
        pass  # what was asked for in full is answered; then it closes


def test_a_head_without_end_is_not_taken_in(connection: socket.socket) -> None:
    """64 KiB are enough for every header there is."""
    with pytest.raises(OSError):
        while True:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 65_536)


def test_a_request_that_is_complete_is_answered(connection: socket.socket) -> None:
    """Again and again on one connection."""
    for _ in range(3):
        connection.sendall(ALIVE + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")
