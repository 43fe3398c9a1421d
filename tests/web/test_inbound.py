"""Each request is parsed once, over every transport, under our server and under plain uvicorn."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Scope
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gateway import Settings, create_app
from gateway.caller import NETWORK, Caller, CallerPolicy
from gateway.errors import BadRequestError, RequestError, UnauthenticatedError
from gateway.schema.context import Access
from gateway.server.protocol import GatewayProtocol
from gateway.tenants.path import TenantSources
from gateway.web.inbound import Door, RequestHead, check_tenant, inbound_of, sent_id_of, trace_of
from gateway.web.read.accept import EVENT_STREAM, JSON
from tests.support import CREDENTIALS, RestSide, gateway_over, served
from tests.tenants.test_online import ONE, Online

QUERY = "{ chatSessions { customerName } }"
PATH = f"/graphql/{ONE}"
OURS: dict[str, Any] = {"http": GatewayProtocol, "proxy_headers": False}
ONCE = {"read": 1, "digest": 1, "find_source": 1}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often callers are read and digested, and sources looked up."""
    counts = Counter[str]()

    def count(owner: type, method: str, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        def counting(*args: Any, **more: Any) -> Any:
            counts[name] += 1
            return original(*args, **more)

        monkeypatch.setattr(owner, method, counting)

    count(CallerPolicy, "read", "read")
    count(Caller, "digest", "digest")  # one HMAC each
    count(TenantSources, "__call__", "find_source")
    return counts


def post(http: httpx.Client, query: str = QUERY, accept: str = "application/json") -> Any:
    """Send a query in a POST request."""
    return http.post(PATH, json={"query": query}, headers={**CREDENTIALS, "Accept": accept})


REQUESTS: dict[str, Callable[[httpx.Client], Any]] = {
    "POST": post,
    "GET": lambda http: http.get(PATH, params={"query": QUERY}, headers=CREDENTIALS),
    "a batch": lambda http: http.post(PATH, json=[{"query": QUERY}] * 3, headers=CREDENTIALS),
    "events": lambda http: post(http, accept="text/event-stream"),
    "several fields": lambda http: post(http, f"{{ a: node(id: 1) {{ id }} {QUERY[1:]}"),
    "a long body": lambda http: post(http, QUERY + " " * 90_000),
}


@contextlib.contextmanager
def running(**options: Any) -> Iterator[str]:
    """Serve a gateway over two tenants and yield its address."""
    settings = Settings(environment="sod")
    app = create_app(settings, upstream_transport=httpx.MockTransport(Online()))
    with served(app, **options) as url:
        yield url


@pytest.mark.socket
@pytest.mark.parametrize("options", [OURS, {}], ids=["our server", "plain uvicorn"])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_parsed_once(
    counted: Counter[str], options: dict[str, Any], request_: Callable[[httpx.Client], Any]
) -> None:
    """Each request reads its caller, computes one HMAC and finds its source once."""
    with running(**options) as url, httpx.Client(base_url=url) as http:
        answer = request_(http)

    assert answer.status_code == 200
    assert "customerName" in answer.text
    assert counted == ONCE


@pytest.mark.socket
def test_equal_headers_on_a_connection_are_parsed_once(counted: Counter[str]) -> None:
    """Repeated headers on a connection are compared and not parsed again."""
    with running(**OURS) as url, httpx.Client(base_url=url) as http:
        answers = [REQUESTS["GET"](http) for _ in range(3)]

    assert ["; hit" in answer.headers["cache-status"] for answer in answers] == [False, True, True]
    assert counted == ONCE


@pytest.mark.socket
def test_a_socket_parses_its_login_once(counted: Counter[str]) -> None:
    """A WebSocket parses its handshake and `connection_init`, however many operations follow."""
    with running(**OURS) as url:
        socket = connect(
            f"{url.replace('http', 'ws')}{PATH}",
            subprotocols=[Subprotocol("graphql-transport-ws")],
        )
        with socket:
            socket.send(json.dumps({"type": "connection_init", "payload": CREDENTIALS}))
            socket.recv()
            for number in range(3):
                payload = {"query": QUERY}
                message = {"type": "subscribe", "id": str(number), "payload": payload}
                socket.send(json.dumps(message))
                assert "customerName" in str(socket.recv())
                socket.recv()

    assert counted == {"read": 2, "digest": 1, "find_source": 2}


async def test_the_gateway_adds_one_key_to_the_scope(rest: RestSide) -> None:
    """The server and the application share one typed object in the ASGI scope."""
    scopes = []
    async with gateway_over(rest) as gateway:
        app = gateway.app
        router = app.router.app if hasattr(app.router, "app") else app.router

        async def record_scope(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await router(scope, receive, send)

        app.router = record_scope  # type: ignore[assignment]
        await gateway.post(QUERY)

    assert [k for scope in scopes for k in scope if k.startswith("gateway")] == ["gateway.inbound"]
    assert inbound_of(scopes[0]).record.outcome == "ok"


def test_a_stored_error_collects_no_tracebacks() -> None:
    """The stored error of a connection collects no tracebacks when it is raised again."""
    problem = BadRequestError("two tenants")

    for _ in range(3):
        with pytest.raises(BadRequestError) as raised:
            check_tenant(RequestHead(problem))
    assert len(raised.traceback) == 2


async def test_a_stored_error_holds_no_header(rest: RestSide) -> None:
    """The error that it was raised for has the value of the header, perhaps a password."""
    async with gateway_over(rest) as gateway:
        access = gateway.app.state.edge.door.read(
            "/graphql", [(b"authorization", b"Basic \xff")]
        ).access

    assert isinstance(access, BadRequestError)
    assert (access.__context__, access.__traceback__) == (None, None)


@pytest.mark.parametrize("problem", [UnauthenticatedError("none"), RequestError("other")])
def test_missing_credentials_pass_the_tenant_check(problem: RequestError) -> None:
    """Missing credentials pass the tenant check: introspection needs none."""
    check_tenant(RequestHead(problem))


def test_the_clients_request_id_is_used() -> None:
    """A single valid request id of the client is used; otherwise a new one is made."""
    assert sent_id_of([(b"x-request-id", b"abc")]) == b"abc"
    for sent in ([], [b"a b"], [b"a", b"b"], [b"x" * 129]):
        assert sent_id_of([(b"x-request-id", value) for value in sent]) is None

    head = RequestHead(UnauthenticatedError("none"))
    assert len(head.request_id()) == 16
    assert head.request_id() != head.request_id()


def test_a_rest_call_carries_trace_context_and_request_id() -> None:
    """A REST call carries the valid trace headers and the id of the request."""
    headers = [(b"traceparent", b"00-1-2-03"), (b"tracestate", b"\xff"), (b"x-request-id", b"?")]

    assert trace_of(headers, b"id") == [(b"traceparent", b"00-1-2-03"), (b"x-request-id", b"id")]


async def test_the_door_reads_the_caller(rest: RestSide) -> None:
    """The door reads the caller and the requested maximum age from the headers."""
    async with gateway_over(rest) as gateway:
        door: Door = gateway.app.state.edge.door
        headers = [(b"authorization", b"Bearer a"), (b"cache-control", b"max-age=3")]

        head = door.read("/graphql", headers)
        assert isinstance(head.access, Access)
        assert head.access.caller == Caller((headers[0],))
        assert head.max_age_s == 3
        assert isinstance(door.read("/graphql", headers[1:]).access, UnauthenticatedError)


@pytest.mark.parametrize(
    ("client", "network"), [("192.0.2.1", "192.0.2.1"), ("127.0.0.1", "20010db8000100"), ("", "")]
)
async def test_the_network_is_that_of_the_client_before_trusted_proxies(
    rest: RestSide, client: str, network: str
) -> None:
    """All clients of a proxy that is not trusted have one; those of a unix socket have none."""
    forwarded = (b"x-forwarded-for", b"[2001:db8:1:2::3]:4711")
    scope: Scope = {"type": "http", "path": "/graphql", "headers": [forwarded], "scheme": "http"}
    scope["client"] = (client, 1) if client else None
    async with gateway_over(rest, trusted_proxies="127.0.0.1") as gateway:
        inbound = gateway.app.state.edge.door.enter(scope)

    assert inbound.network == network


@pytest.mark.parametrize("query", [QUERY, f"subscription {QUERY}"])
async def test_a_rest_call_is_made_for_the_clients_network(query: str) -> None:
    """A subscription's too, though a task of its own polls: networks take turns with both."""
    networks = []

    def refuse(_: httpx.Request) -> httpx.Response:
        networks.append(NETWORK.get())
        return httpx.Response(401)

    async with gateway_over(RestSide(answer=refuse)) as gateway:
        transport = httpx.ASGITransport(gateway.app, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            headers = {**CREDENTIALS, "Accept": f"{JSON}, {EVENT_STREAM}"}
            await http.post("/graphql", json={"query": query}, headers=headers)

    assert networks == ["192.0.2.1"]


async def test_the_gateway_works_below_a_path_prefix(rest: RestSide) -> None:
    """The gateway works when it is mounted below a path of another application."""
    async with gateway_over(rest) as gateway:
        outer = Starlette(routes=[Mount("/api", gateway.app)])
        transport = httpx.ASGITransport(outer)
        async with httpx.AsyncClient(transport=transport, base_url="http://outer.invalid") as http:
            answer = await http.post("/api/graphql", json={"query": QUERY}, headers=CREDENTIALS)

    assert answer.json() == {"data": {"chatSessions": [{"customerName": "Ada"}]}}


@pytest.mark.socket
@pytest.mark.parametrize("headers", [{}, {"Expect": "100-continue"}], ids=["none", "expect"])
def test_a_body_that_arrives_after_its_head_gets_a_cached_answer(
    executed: list[str], monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """A body that arrives separately, after its head, still gets the cached answer."""
    monkeypatch.setattr("gateway.web.response_cache._BODY_TIMEOUT_S", 10)
    with running(**OURS) as url, httpx.Client(base_url=url, headers=headers) as http:
        answers = [post(http) for _ in range(3)]

    assert len({answer.content for answer in answers}) == 1
    assert len(executed) == 1
