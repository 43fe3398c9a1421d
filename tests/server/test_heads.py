"""Limits on the head of a request, and requests that ask for another protocol."""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Iterator

import pytest

from gateway import Settings, create_app
from gateway.server import limits
from gateway.server.protocol import GatewayProtocol
from tests.observe.logged import logged
from tests.support import served

pytestmark = pytest.mark.socket

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeout of a head to a fifth of a second."""
    monkeypatch.setattr(limits, "_HEAD_TIMEOUT_S", 0.2)


@contextlib.contextmanager
def connected(**options: int) -> Iterator[socket.socket]:
    """Connect to a gateway that runs with these options of uvicorn."""
    app = create_app(Settings(upstream_url="http://rest.invalid"))
    with (
        served(app, http=GatewayProtocol, **options) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 10) as opened,
    ):
        yield opened


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    """Return a connection to a gateway."""
    with connected() as opened:
        yield opened


@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize("sent", [b"", b"GET", ALIVE, ALIVE + b"\r\nGET /healthz HTTP/1.1\r\n"])
def test_an_incomplete_head_closes_the_connection(sent: bytes) -> None:
    """A missing or incomplete head, also after a complete request, closes the connection."""
    with connected(timeout_keep_alive=1) as connection:
        connection.sendall(sent)

        while connection.recv(65_536):
            pass  # complete requests are answered before the close


def test_an_endless_head_is_answered_and_closes_the_connection(connection: socket.socket) -> None:
    """A head without an end gets 431 at 64 KiB."""
    with pytest.raises(OSError):
        while True:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 65_536)

    assert connection.recv(65_536).startswith(b"HTTP/1.1 431 Request Header Fields Too Large")


CHUNKED = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b'21\r\n{"query": "{ chatSessions{id} }"}\r\n0\r\n'
)


def test_trailers_are_not_read_as_headers(connection: socket.socket) -> None:
    """Trailers do not count as headers, since proxies do not check them."""
    connection.sendall(CHUNKED + b"Authorization: Basic a2FyaTpkZW1v\r\n\r\n")

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"HTTP/1.1 200 OK" in answer
    assert b'"UNAUTHENTICATED"' in answer


@pytest.mark.parametrize("endless", [b"x: y\r\n" * 10_000, b"x" * 60_000], ids=["many", "long"])
def test_endless_trailers_close_the_connection(connection: socket.socket, endless: bytes) -> None:
    """Many trailers or a long one close the connection."""
    connection.sendall(CHUNKED + b"x: y")
    with pytest.raises(OSError):
        deque(map(connection.sendall, [endless] * (2**24 // len(endless))))


@pytest.mark.parametrize(
    ("sent", "status", "problem"),
    [
        (ALIVE + b"a: b\r\n" * 200 + b"\r\n", b"431", b"more than 200 headers."),
        (CHUNKED.split(b"21\r\n")[0] + b"1\r\n \r\n" * 20_000, b"400", b"in too many pieces."),
    ],
    ids=["headers", "pieces of a body"],
)
def test_too_many_headers_or_chunks_are_refused(
    connection: socket.socket, sent: bytes, status: bytes, problem: bytes
) -> None:
    """Too many headers or chunks get 400 with the reason, however few bytes they have."""
    connection.sendall(sent)

    answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert problem in answer


def test_a_body_in_many_chunks_is_read(connection: socket.socket) -> None:
    """A body in 10,000 chunks with extensions is read."""
    head, body = CHUNKED.split(b"\r\n\r\n", 1)
    spaces = b"8;extension=of-the-chunk\r\n        \r\n" * 10_000
    connection.sendall(head + b"\r\n\r\n" + spaces + body + b"\r\n")

    assert b"HTTP/1.1 200 OK" in connection.recv(65_536)


UPGRADE_BODY = b'{"query": "{ __typename }"}'
UPGRADING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    b"Content-Length: %d\r\n\r\n" % len(UPGRADE_BODY)
)


@pytest.mark.parametrize(
    "pieces",
    [[UPGRADING + UPGRADE_BODY], [UPGRADING, UPGRADE_BODY], [UPGRADING[:99]]],
    ids=["in one piece", "head and body", "cut in the head"],
)
def test_a_request_for_another_protocol_is_answered_in_http_1_1(
    connection: socket.socket, pieces: list[bytes]
) -> None:
    """A request for HTTP/2, as Java's client sends it first, is answered in HTTP/1.1."""
    whole = UPGRADING + UPGRADE_BODY
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
def test_a_get_may_ask_for_another_protocol(
    connection: socket.socket, connection_header: bytes
) -> None:
    """A GET, which has no body, may ask for another protocol."""
    connection.sendall(ALIVE + b"Connection: " + connection_header + b"\r\nUpgrade: h2c\r\n\r\n")

    answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert (b"connection: close" in answer) == (b"close" in connection_header)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_pipelined_requests_for_another_protocol_are_answered(
    connection: socket.socket, count: int
) -> None:
    """Each body of a pipelined request ends where the request ends."""
    hidden = b'{"query": "{ __typename }", "x": "' + ALIVE + b'"}'
    one = UPGRADING.replace(b"%d\r\n\r\n" % len(UPGRADE_BODY), b"%d\r\n\r\n" % len(hidden)) + hidden
    connection.sendall(one * count + ALIVE + b"Connection: close\r\n\r\n")

    answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answers.count(b"HTTP/1.1 ") == count + 1
    assert answers.count(b"HTTP/1.1 400 ") == count  # no line breaks in JSON
    assert answers.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("lines", [(b"Upgrade", b"keep-alive"), (b"keep-alive", b"Upgrade")])
def test_a_handshake_may_list_its_options_in_two_lines(
    connection: socket.socket, lines: tuple[bytes, bytes]
) -> None:
    """Lines of one name are one list (RFC 9110, section 5.3)."""
    connection.sendall(
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: %b\r\nUpgrade: websocket\r\n"
        b"Connection: %b\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" % lines
    )

    assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.mark.parametrize("body", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_handshake_with_a_body_is_refused(connection: socket.socket, body: bytes) -> None:
    """A handshake with a body, which the WebSocket protocol cannot read, gets 400."""
    connection.sendall(HANDSHAKE % body)

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"A handshake has no body." in answer


def test_a_handshake_may_say_that_it_has_no_body(connection: socket.socket) -> None:
    """A length of zero is no body."""
    connection.sendall(HANDSHAKE % b"Content-Length: 0")

    assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("name", [b"Connection", b"Sec-WebSocket-Extensions"])
def test_a_handshake_with_a_long_list_is_refused(connection: socket.socket, name: bytes) -> None:
    """It would be parsed slowly, while nobody else is served."""
    connection.sendall(HANDSHAKE % (name + b": " + b"x," * 20_000))

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"The handshake has a header that is too long." in answer


def test_a_pipelined_handshake_does_not_overtake_an_answer(connection: socket.socket) -> None:
    """Answers come in the order of their requests (RFC 9112, section 9.3.2)."""
    connection.sendall(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )

    answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answers.startswith(b"HTTP/1.1 415 ")
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 101 " not in answers


def test_connect_is_refused(connection: socket.socket) -> None:
    """CONNECT gets 400, as the gateway is no proxy."""
    connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"CONNECT is not supported." in answer


def test_an_answer_to_http_1_0_closes_the_connection(connection: socket.socket) -> None:
    """HTTP/1.0 has no upgrade and no second request, so the connection closes."""
    connection.sendall(
        b"GET /healthz HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"connection: close" in answer


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nhost: x\r\n"], ids=["none", "two"])
@pytest.mark.parametrize("rest", [b"", UPGRADING.split(b"Host: x\r\n")[1]], ids=["GET", "POST"])
def test_a_request_without_one_host_is_refused(
    connection: socket.socket, hosts: bytes, rest: bytes
) -> None:
    """No Host, or two, get 400, whatever protocol the request asks for; HTTP/1.0 needs none."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\n" + hosts + (rest or b"\r\n"))

    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"must have one Host header." in answer
    assert b"BAD_REQUEST" in answer


@pytest.mark.parametrize(("version", "interim"), [(b"1.0", b""), (b"1.1", b"100 Continue")])
def test_http_1_0_gets_no_100_continue(
    connection: socket.socket, version: bytes, interim: bytes
) -> None:
    """A client of HTTP/1.0 would take it for the answer (RFC 9110, section 15.2)."""
    connection.sendall(
        b"POST /graphql HTTP/%b\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n" % version
    )
    if interim:
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    time.sleep(0.1)  # time for the application to ask for the body
    connection.sendall(b"{}")

    assert connection.recv(65_536).startswith(b"HTTP/1.1 400 Bad Request")


@pytest.mark.parametrize("login", [b"", b"Authorization: Bearer a\r\n"])
def test_a_body_that_would_be_refused_is_not_asked_for(
    connection: socket.socket, login: bytes
) -> None:
    """A client with `Expect` sends no byte of a body that is too large (RFC 9110, 10.1.1)."""
    connection.sendall(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%b"
        b"Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n" % login
    )

    assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


NO_HOST = b"GET /%b HTTP/1.1\r\nX-Request-Id: mine\r\n"
BODY, NO_CHUNK = CHUNKED.split(b"21\r\n")[0], b"no chunk"


@pytest.mark.parametrize(
    ("pieces", "status", "method", "path"),
    [
        ([NO_HOST % b"healthz" + b"\r\n"], 400, "GET", "/healthz"),
        ([NO_HOST % b"secret" + b"\r\n"], 400, "GET", "(unknown)"),
        ([NO_HOST % b"" + b"a: b\r\n" * 200 + b"\r\n"], 431, "(unknown)", "(unknown)"),
        ([b"GET /" + b"x" * 70_000], 414, "(unknown)", "(unknown)"),
        ([b"\x16\x03\x01\x00"], 400, "(unknown)", "(unknown)"),
        ([BODY + NO_CHUNK], 400, "POST", "/graphql"),
        ([BODY, NO_CHUNK], 400, "POST", "/graphql"),
    ],
    ids=["host", "other path", "headers", "URI", "TLS", "body", "body of a running request"],
)
def test_a_refused_request_is_logged_like_any_other(
    pieces: list[bytes], status: int, method: str, path: str
) -> None:
    """It has one line, whose id the answer has too; browsers must not guess the answer's type."""
    with logged() as log, connected(proxy_headers=False) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.1)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    (line,) = [event for event in log.events if "request" in event["event"]]
    request_id = line["request_id"]
    assert (line["event"], line["status"]) == ("request", status)
    assert (line["method"], line["path"]) == (method, path)
    assert b"x-request-id: %b\r\n" % request_id.encode() in answer
    assert (request_id == "mine") == (b"mine" in pieces[0])
    assert b"x-content-type-options: nosniff\r\n" in answer


@pytest.mark.parametrize("first", [9_000, 12_000])
def test_a_request_past_the_limit_of_all_is_logged(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Whether or not the application runs when there are too many bytes."""
    monkeypatch.setattr("gateway.web.read.body.MOST_BYTES", 20_000)
    head = ALIVE.replace(b"GET /healthz", b"POST /graphql") + (
        b"X-Request-Id: mine\r\nAuthorization: Bearer x\r\n"
        b"Content-Type: application/json\r\nContent-Length: 30000\r\n\r\n"
    )
    sent = head + b" " * 12_000
    with logged() as log, connected(proxy_headers=False) as connection:
        for piece in (sent[:first], sent[first:]):
            connection.sendall(piece)
            time.sleep(0.1)
        assert b"HTTP/1.1 503 " in connection.recv(65_536)

    (line,) = [event for event in log.events if "request" in event["event"]]
    assert (line["request_id"], line["status"], line["path"]) == ("mine", 503, "/graphql")


def test_the_bytes_of_each_head_are_counted_separately(connection: socket.socket) -> None:
    """Each head on a connection is limited by itself, in any pieces."""
    head = ALIVE + b"X: " + b"x" * 40_000 + b"\r\n\r\n"
    for pieces in ([head], [head[:30_000], head[30_000:]], [head[:20_000], head[20_000:]]):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.03)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_complete_requests_are_answered(connection: socket.socket) -> None:
    """Several complete requests on one connection are answered."""
    for _ in range(3):
        connection.sendall(ALIVE + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")
