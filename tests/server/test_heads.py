"""The head of a request comes in time and in measure, or the connection is closed."""

import socket
import time
from collections import deque
from collections.abc import Iterator

import pytest

from gateway import Settings, create_app
from gateway.server import limits
from gateway.server.protocol import GatewayProtocol
from tests.support import served

pytestmark = pytest.mark.socket

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return a connection to a gateway that waits a fifth of a second for a head."""
    monkeypatch.setattr(limits, "_HEAD_TIMEOUT_S", 0.2)
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


CHUNKED = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b'21\r\n{"query": "{ chatSessions{id} }"}\r\n0\r\n'
)


def test_trailers_are_no_headers(connection: socket.socket) -> None:
    """What comes behind the body has passed by every proxy that looks at headers."""
    connection.sendall(CHUNKED + b"Authorization: Basic a2FyaTpkZW1v\r\n\r\n")

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"HTTP/1.1 200 OK" in answer
    assert b'"UNAUTHENTICATED"' in answer


@pytest.mark.parametrize("endless", [b"x: y\r\n" * 10_000, b"x" * 60_000], ids=["many", "long"])
def test_trailers_without_end_are_not_taken_in(connection: socket.socket, endless: bytes) -> None:
    """Neither many of them nor a long one; what the system takes in is more, but bounded."""
    connection.sendall(CHUNKED + b"x: y")
    with pytest.raises(OSError):
        deque(map(connection.sendall, [endless] * (2**24 // len(endless))))


def test_a_body_in_many_pieces_is_taken_in(connection: socket.socket) -> None:
    """Whatever comes between the pieces."""
    head, body = CHUNKED.split(b"\r\n\r\n", 1)
    spaces = b"8;extension=of-the-chunk\r\n        \r\n" * 10_000
    connection.sendall(head + b"\r\n\r\n" + spaces + body + b"\r\n")

    assert b"HTTP/1.1 200 OK" in connection.recv(65_536)


ASKED = b'{"query": "{ __typename }"}'
UPGRADING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    b"Content-Length: %d\r\n\r\n" % len(ASKED)
)


@pytest.mark.parametrize("pieces", [[UPGRADING + ASKED], [UPGRADING, ASKED], [UPGRADING[:99]]])
def test_who_asks_for_another_protocol_is_answered_in_this_one(
    connection: socket.socket, pieces: list[bytes]
) -> None:
    """As Java's client asks for HTTP/2 with its first request; the next one is as any other."""
    whole = UPGRADING + ASKED
    sent = b"".join(pieces)
    for piece in (*pieces, whole[len(sent) :]):
        connection.sendall(piece)
        time.sleep(0.02)
    first = connection.recv(65_536)
    connection.sendall(ALIVE + b"\r\n")

    assert first.startswith(b"HTTP/1.1 200 OK")
    assert first.endswith(b'{"data":{"__typename":"Query"}}')
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("connection_header", [b"Upgrade", b"Upgrade, close"])
def test_a_page_may_be_asked_for_so_too(
    connection: socket.socket, connection_header: bytes
) -> None:
    """Without a body."""
    connection.sendall(ALIVE + b"Connection: " + connection_header + b"\r\nUpgrade: h2c\r\n\r\n")

    answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert (b"connection: close" in answer) == (b"close" in connection_header)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_all_who_ask_for_another_protocol_are_answered(
    connection: socket.socket, count: int
) -> None:
    """However many requests come at once, each is read from its own beginning to its end."""
    hidden = b'{"query": "{ __typename }", "x": "' + ALIVE + b'"}'
    one = UPGRADING.replace(b"%d\r\n\r\n" % len(ASKED), b"%d\r\n\r\n" % len(hidden)) + hidden
    connection.sendall(one * count + ALIVE + b"Connection: close\r\n\r\n")

    answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answers.count(b"HTTP/1.1 ") == count + 1
    assert answers.count(b"HTTP/1.1 400 ") == count  # no line breaks in JSON
    assert answers.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("body", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_handshake_has_no_body(connection: socket.socket, body: bytes) -> None:
    """Nobody could read it, and the connection would be held for good."""
    connection.sendall(
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        + body
        + b"\r\n\r\n"
    )

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert answer.endswith(b"A handshake has no body.")


def test_a_gateway_is_no_proxy(connection: socket.socket) -> None:
    """CONNECT asks for another protocol by itself."""
    connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert answer.endswith(b"This is no proxy.")


def test_an_old_client_is_answered_as_one(connection: socket.socket) -> None:
    """HTTP/1.0 knows neither other protocols nor a second request."""
    connection.sendall(
        b"GET /healthz HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"connection: close" in answer


def test_each_head_is_measured_by_itself(connection: socket.socket) -> None:
    """Whatever the request before it had, and in whichever pieces it comes."""
    head = ALIVE + b"X: " + b"x" * 40_000 + b"\r\n\r\n"
    for pieces in ([head], [head[:30_000], head[30_000:]], [head[:20_000], head[20_000:]]):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.03)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_a_request_that_is_complete_is_answered(connection: socket.socket) -> None:
    """Again and again on one connection."""
    for _ in range(3):
        connection.sendall(ALIVE + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")
