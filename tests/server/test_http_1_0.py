"""Clients of HTTP/1.0 get no chunked encoding, which they cannot read (RFC 9112, section 6.1)."""

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from gateway import Settings, create_app
from gateway.server.protocol import GatewayProtocol
from tests.support import UPSTREAM_URL, RestSide, served

pytestmark = pytest.mark.socket


@pytest.fixture
def address(rest: RestSide) -> Iterator[tuple[str, int]]:
    """Return the address of a gateway."""
    app = create_app(
        Settings(upstream_url=UPSTREAM_URL), upstream_transport=httpx.MockTransport(rest)
    )
    with served(app, http=GatewayProtocol) as url:
        yield "127.0.0.1", int(url.rpartition(":")[2])


@contextlib.contextmanager
def sent_request(address: tuple[str, int], head: str, body: str = "") -> Iterator[socket.socket]:
    """Send a request of HTTP/1.0 and yield the connection."""
    with socket.create_connection(address, 10) as connection:
        connection.sendall(f"{head}\r\nHost: x\r\n\r\n{body}".encode())
        yield connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read until the answer ends with these bytes."""
    answer = b""
    while not answer.endswith(end):
        answer += connection.recv(65_536)
    return answer


def read_all(connection: socket.socket) -> bytes:
    """Read until the connection is closed."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def post(query: str, accept: str) -> tuple[str, str]:
    """Return the head and the body of a GraphQL request."""
    body = json.dumps({"query": query})
    head = (
        f"POST /graphql HTTP/1.0\r\nAuthorization: Bearer a\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return head, body


def test_an_event_stream_has_no_chunks(address: tuple[str, int]) -> None:
    """Events are sent at once, without chunked encoding."""
    request = post("subscription { chatSessions { chatSessionId } }", "text/event-stream")
    with sent_request(address, *request) as connection:
        head, _, events = read_until(connection, b"\n\n").partition(b"\r\n\r\n")
        while b"event: next" not in events:
            events += connection.recv(65_536)

    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    lines = events.decode().splitlines()
    assert {line.partition(":")[0] for line in lines} <= {"", "event", "data"}


async def page(request: Request) -> StreamingResponse:
    """Answer in pieces, without a length."""
    return StreamingResponse(iter(("<p>" * 1_000, "", "</p>" * 1_000)), media_type="text/html")


@pytest.mark.parametrize(
    ("method", "body"), [("GET", "<p>" * 1_000 + "</p>" * 1_000), ("HEAD", "")], ids=["GET", "HEAD"]
)
def test_an_answer_without_a_length_ends_with_its_connection(method: str, body: str) -> None:
    """An answer without a length, such as a large compressed file, ends with the connection."""
    app = Starlette(
        routes=[Route("/", page)],
        middleware=[Middleware(GZipMiddleware, minimum_size=1)],
    )
    with (
        served(app, http=GatewayProtocol) as url,
        sent_request(
            ("127.0.0.1", int(url.rpartition(":")[2])),
            f"{method} / HTTP/1.0\r\nAccept-Encoding: gzip",
        ) as connection,
    ):
        answer = read_all(connection)

    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head
    assert (gzip.decompress(content) if content else b"").decode() == body


def test_an_answer_with_a_length_keeps_it(address: tuple[str, int]) -> None:
    """A first and a cached answer have the Content-Length that HTTP/1.1 gets."""
    for _ in range(2):
        request = post("{ chatSessions { chatSessionId } }", "application/json")
        with sent_request(address, *request) as connection:
            answer = read_all(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        assert json.loads(body)["data"]["chatSessions"]
