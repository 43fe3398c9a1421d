"""Cached answers on a real socket, sent without a call of the application."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.server.protocol import GatewayProtocol
from gateway.web.response_cache import ResponseCache
from tests.observe.logged import logged
from tests.support import UPSTREAM_URL, RestSide, served

pytestmark = pytest.mark.socket

BODY = json.dumps({"query": "{ chatSessions { customerName } }"}).encode()
LINE = b"POST /graphql HTTP/1.1"
HEADERS = b"Host: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)


def request(caller: bytes = b"a", *, line: bytes = LINE, more: bytes = b"") -> bytes:
    """Return the bytes of a request by this caller."""
    return b"%s\r\nAuthorization: Bearer %s\r\n%s%s\r\n%s" % (line, caller, HEADERS, more, BODY)


@dataclass
class Connection:
    """One connection, whose answers are read one by one."""

    opened: socket.socket
    file: Any

    def ask(self, answer_for: bytes) -> tuple[int, dict[str, str], Any]:
        """Send bytes and return the next answer: status, headers, JSON."""
        self.opened.sendall(answer_for)
        return self.answer()

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Return the next answer."""
        status = int(self.file.readline().split()[1])
        lines = iter(self.file.readline, b"\r\n")
        pairs = [line.decode().strip().partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        assert len(headers) == len(pairs), "a header came twice"
        body = self.file.read(int(headers.get("content-length", 0)))
        return status, headers, json.loads(body) if body else None


@contextlib.contextmanager
def connected(address: str) -> Iterator[Connection]:
    """Open a connection to a server."""
    port = int(address.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), 10) as opened,
        opened.makefile("rb") as file,
    ):
        yield Connection(opened, file)


def session_named_by_caller(request: httpx.Request) -> httpx.Response:
    """Play a REST API in which each caller has one chat of its own name."""
    name = request.headers["authorization"].removeprefix("Bearer ")
    return httpx.Response(200, json=[{"CustomerName": name}])


@pytest.fixture
def rest() -> RestSide:
    """Return a REST API with different sessions for each caller."""
    return RestSide(answer=session_named_by_caller)


@contextlib.contextmanager
def gateway_over(rest: RestSide, cache_ttl: float = 60) -> Iterator[Connection]:
    """Serve a gateway as `gateway serve` does, and connect to it."""
    settings = Settings(upstream_url=UPSTREAM_URL, cache_ttl=cache_ttl)
    app = create_app(settings, upstream_transport=httpx.MockTransport(rest))
    with (
        served(app, http=GatewayProtocol, proxy_headers=False) as address,
        connected(address) as opened,
    ):
        yield opened


@pytest.fixture
def connection(rest: RestSide) -> Iterator[Connection]:
    """Return a connection to a gateway."""
    with gateway_over(rest) as opened:
        yield opened


def session_named_by_tenant(request: httpx.Request) -> httpx.Response:
    """Play SuperOffice Online, where each tenant has one chat of its own name."""
    tenant = request.url.path.removeprefix("/api/state").split("/")[1]
    if not request.url.path.startswith("/api/state/"):
        return httpx.Response(200, json=[{"CustomerName": tenant}])
    answer = {
        "ContextIdentifier": tenant,
        "Api": f"https://sod2.superoffice.com/{tenant}/api",
        "State": "Running",
        "IsRunning": True,
        "ValidUntil": "2999-01-01T00:00:00Z",
    }
    return httpx.Response(200, json=answer)


def test_two_tenants_on_one_connection_never_share_an_answer(calls: list[Any]) -> None:
    """Requests that differ in the tenant's path only get their own cached answers."""
    settings = Settings(upstream_url=None, environment="sod", cache_ttl=60)
    app = create_app(
        settings, upstream_transport=httpx.MockTransport(RestSide(answer=session_named_by_tenant))
    )
    tenants = ["Cust1", "Cust2"] * 3

    with (
        served(app, http=GatewayProtocol, proxy_headers=False) as address,
        connected(address) as connection,
    ):
        lines = [b"POST /graphql/%s HTTP/1.1" % tenant.encode() for tenant in tenants]
        answers = [connection.ask(request(line=line))[2] for line in lines]

    assert answers == [{"data": {"chatSessions": [{"customerName": name}]}} for name in tenants]
    assert len(calls) == 2


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the scopes of the requests that reach the application."""
    scopes: list[Any] = []
    call = ResponseCache.__call__

    async def record(self: ResponseCache, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scopes.append(scope)
        await call(self, scope, receive, send)

    monkeypatch.setattr(ResponseCache, "__call__", record)
    return scopes


def answer_for(name: str) -> Any:
    """Return the answer for a caller."""
    return {"data": {"chatSessions": [{"customerName": name}]}}


def is_hit(headers: dict[str, str]) -> bool:
    """Return whether an answer came from the cache."""
    return "; hit;" in headers["cache-status"]


def test_the_second_answer_comes_from_the_cache(
    calls: list[Any], connection: Connection, rest: RestSide
) -> None:
    """A cached answer equals the first one except for its id, date and age."""
    first, second, third = [connection.ask(request()) for _ in range(3)]

    assert (first[0], second[0]) == (200, 200)
    assert first[2] == second[2] == third[2] == answer_for("a")
    assert first[1].keys() == second[1].keys()
    assert (is_hit(first[1]), is_hit(second[1])) == (False, True)
    assert first[1]["x-request-id"] != second[1]["x-request-id"]
    assert (len(calls), rest.calls) == (1, 1)


def test_callers_can_share_one_connection(
    calls: list[Any], connection: Connection, rest: RestSide
) -> None:
    """Callers on one connection, as behind a proxy, get their own answers."""
    for caller in (b"a", b"b", b"a", b"a", b"b", b"c", b"a"):
        assert connection.ask(request(caller))[2] == answer_for(caller.decode())

    assert (len(calls), rest.calls) == (3, 3)


def test_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    """A cached answer waits for the answers before it."""
    connection.ask(request(b"b"))
    connection.opened.sendall(request(b"a") + request(b"b") + request(b"b") + request(b"a"))

    answers = [connection.answer() for _ in range(4)]

    assert [answer[2] for answer in answers] == [answer_for(name) for name in "abba"]


@pytest.mark.parametrize("cut", [10, len(request()) - len(BODY), len(request()) - 3])
def test_a_request_in_pieces_is_answered(connection: Connection, cut: int) -> None:
    """A request is answered if it is cut in its head, in its body or between them."""
    connection.ask(request())

    connection.opened.sendall(request()[:cut])
    with contextlib.suppress(TimeoutError):
        connection.opened.settimeout(0.05)
        connection.opened.recv(1)
    connection.opened.settimeout(10)

    assert connection.ask(request()[cut:])[2] == answer_for("a")


def test_a_cached_answer_has_the_clients_id(connection: Connection) -> None:
    """A cached answer has the client's request id; an invalid id is replaced."""
    for sent, is_valid in ((b"abc", True), (b"a;b", False)):
        for _ in range(2):
            headers = connection.ask(request(more=b"X-Request-ID: %s\r\n" % sent))[1]
            assert (headers["x-request-id"] == sent.decode()) is is_valid


def test_no_cache_requests_a_fresh_answer(
    connection: Connection, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Cache-Control: no-cache` gets a fresh answer."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    connection.ask(request())

    assert not is_hit(connection.ask(request(more=b"Cache-Control: no-cache\r\n"))[1])
    assert rest.calls == 2


def test_a_304_is_cached(calls: list[Any], connection: Connection) -> None:
    """A 304 for If-None-Match is cached."""
    get = b"GET /graphql?query=%7BchatSessions%7BcustomerName%7D%7D HTTP/1.1\r\nHost: x\r\n"
    get += b"Authorization: Bearer a\r\n"
    tag = connection.ask(get + b"\r\n")[1]["etag"].encode()

    answers = [connection.ask(get + b"If-None-Match: " + tag + b"\r\n\r\n") for _ in range(3)]

    assert [(status, body) for status, _, body in answers] == [(304, None)] * 3
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("line", "more"), [(LINE, b"Connection: close\r\n"), (b"POST /graphql HTTP/1.0", b"")]
)
def test_connection_close_is_obeyed(connection: Connection, line: bytes, more: bytes) -> None:
    """The connection is closed after a cached answer if the client asks for it."""
    connection.ask(request())

    _, headers, answer = connection.ask(request(line=line, more=more))

    assert answer == answer_for("a")
    assert headers["connection"] == "close"
    assert connection.file.read() == b""


def test_a_cached_answer_is_logged(rest: RestSide) -> None:
    """A cached answer is logged like any other, with the id that the client got."""
    with logged() as log, gateway_over(rest) as opened:
        ids = [opened.ask(request())[1]["x-request-id"] for _ in range(2)]

    lines = [event for event in log.events if event["event"] == "request"]
    assert [line["request_id"] for line in lines] == ids
    for line in lines:
        assert (line["method"], line["path"], line["status"]) == ("POST", "/graphql", 200)
        assert line["logger"] == "gateway.web.middleware.request_log"


def test_without_a_cache_every_request_reaches_the_application(rest: RestSide) -> None:
    """With a TTL of 0 the server has nothing to send by itself."""
    with gateway_over(rest, cache_ttl=0) as opened:
        for _ in range(2):
            assert opened.ask(request())[2] == answer_for("a")

    assert rest.calls == 2
