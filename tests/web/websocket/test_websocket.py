"""GraphQL over a WebSocket, with the protocol `graphql-transport-ws`, over real sockets."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway import Settings, create_app
from gateway.server.protocol import GatewayProtocol
from gateway.server.websocket import SocketProtocol
from gateway.web.websocket import connection as websocket
from tests.observe.logged import logged
from tests.support import CREDENTIALS, UPSTREAM_URL, RestSide, served
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

QUERY = "{ chatSessions { chatSessionId } }"
DATA = {"data": {"chatSessions": [{"chatSessionId": 1}]}}
SESSION = {"X-XSRF-TOKEN": "token", "Cookie": "id=abc"}
LONG = "N" * 5000
OURS: dict[str, Any] = {"http": GatewayProtocol, "ws": SocketProtocol, "proxy_headers": False}


@pytest.fixture(scope="module")
def the_rest() -> RestSide:
    """Return the REST side of all tests here."""
    return RestSide()


@pytest.fixture(scope="module")
def address(the_rest: RestSide) -> Iterator[str]:
    """Return the address of a gateway that really listens, and keeps nothing between tests."""
    with served(gateway_app(the_rest), **OURS) as url:
        yield f"{url.replace('http', 'ws')}/graphql"


@pytest.fixture
def rest(the_rest: RestSide) -> RestSide:
    """Return the REST side with its count at zero."""
    the_rest.requests.clear()
    return the_rest


def gateway_app(rest: RestSide) -> Starlette:
    """Build a gateway over a stand-in for REST."""
    settings = Settings(upstream_url=UPSTREAM_URL, cache_ttl=0)
    return create_app(settings, upstream_transport=httpx.MockTransport(rest))


@contextlib.contextmanager
def opened(
    address: str,
    headers: Mapping[str, str] | None = None,
    protocol: str = "graphql-transport-ws",
    origin: str | None = None,
) -> Iterator[ClientConnection]:
    """Open a socket with these headers in its handshake."""
    with connect(
        address,
        subprotocols=[Subprotocol(protocol)],
        additional_headers=headers or {},
        origin=origin,  # type: ignore[arg-type]  # a NewType of str
        open_timeout=10,
        close_timeout=2,
    ) as socket:
        yield socket


def send(socket: ClientConnection, **message: Any) -> None:
    """Send one message of the protocol."""
    socket.send(json.dumps(message))


def receive(socket: ClientConnection) -> Any:
    """Return the next message, which has to be text: browsers give anything else as a blob."""
    text = socket.recv(timeout=10)
    assert isinstance(text, str)
    return json.loads(text)


def initiate(socket: ClientConnection, **payload: Any) -> None:
    """Start the protocol with this payload."""
    send(socket, type="connection_init", payload=payload)
    assert receive(socket) == {"type": "connection_ack"}


def ask(socket: ClientConnection, query: str = QUERY, **payload: Any) -> Any:
    """Run one query and return its answer."""
    send(socket, id="1", type="subscribe", payload={"query": query, **payload})
    answer = receive(socket)
    assert receive(socket) == {"id": "1", "type": "complete"}
    assert (answer["id"], answer["type"]) == ("1", "next")
    return answer["payload"]


def closing(socket: ClientConnection) -> tuple[int, str]:
    """Wait until the other side closes, and return how."""
    with pytest.raises(ConnectionClosed) as closed:
        receive(socket)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_credentials_come_with_connection_init(address: str, rest: RestSide, name: str) -> None:
    """Browsers cannot set headers on a WebSocket; the payload has them, in any case."""
    with opened(address) as socket:
        initiate(socket, **{name: "Bearer abc", "so-LANGUAGE": "nb"})

        assert ask(socket) == DATA

    for request in rest.requests:  # for the login, and for the query
        assert request.headers["authorization"] == "Bearer abc"
        assert request.headers["so-language"] == "nb"
    assert rest.calls == 2


@pytest.mark.parametrize("headers", [CREDENTIALS, SESSION], ids=["authorization", "session"])
def test_credentials_come_with_the_handshake(
    address: str, rest: RestSide, headers: dict[str, str]
) -> None:
    """Other clients can set headers, and a browser sends its cookies by itself."""
    with opened(address, headers) as socket:
        initiate(socket)

        assert ask(socket) == DATA

    assert headers.items() <= {(name, rest.requests[0].headers[name]) for name in headers}


def test_a_browser_brings_cookies_in_the_handshake_and_its_token_in_the_payload(
    address: str, rest: RestSide
) -> None:
    """Together they are a session."""
    with opened(address, {"Cookie": "id=abc"}) as socket:
        initiate(socket, **{"X-XSRF-TOKEN": "token"})

        assert ask(socket) == DATA

    assert rest.requests[0].headers["cookie"] == "id=abc"
    assert rest.requests[0].headers["x-xsrf-token"] == "token"


def test_the_payload_wins_over_the_handshake(address: str, rest: RestSide) -> None:
    """Who is logged in on the page counts, not what a proxy put into the handshake."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket, authorization="Bearer abc")
        ask(socket)

    assert rest.requests[0].headers.get_list("authorization") == ["Bearer abc"]


@pytest.mark.parametrize(
    "payload", [{}, {"Cookie": "id=abc", "X-XSRF-TOKEN": "token"}, {"Authorization": "NTLM x"}]
)
def test_without_credentials_there_are_no_sessions(
    address: str, rest: RestSide, payload: dict[str, str]
) -> None:
    """The error is that of HTTP; cookies in a payload are nobody's."""
    with opened(address) as socket:
        initiate(socket, **payload)
        answer = ask(socket)

    assert answer["data"] == {"chatSessions": None}
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert rest.calls == 0


def test_an_odd_value_in_the_payload_is_a_bad_request(address: str, rest: RestSide) -> None:
    """What no header can hold goes nowhere."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket, Authorization="Basic a\r\nSO-AppToken: b")
        answer = ask(socket)

    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_REQUEST"}]
    assert rest.calls == 0


def test_a_socket_answers_one_query_after_another(address: str) -> None:
    """An id can be used again when its operation is over."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)

        assert [ask(socket), ask(socket)] == [DATA, DATA]


def test_an_old_answer_says_so_on_a_socket_too(moved: RestSide) -> None:
    """The next operation on it is one by itself: nothing of the answer before sticks to it."""
    with (
        live(moved, cache_ttl=0.01, stale_if_error=60) as address,
        opened(address, CREDENTIALS) as socket,
    ):
        initiate(socket)
        answers = [ask(socket)]
        time.sleep(0.02)
        moved.answer = lambda _: httpx.Response(500)
        answers.append(ask(socket))
        moved.answer = None
        answers.append(ask(socket))

    stale = {"ageSeconds": 0, "reason": "stale-if-error", "code": "UPSTREAM_ERROR"}
    assert answers == [DATA, {**DATA, "extensions": {"stale": stale}}, DATA]


def test_variables_and_names_work_as_over_http(address: str) -> None:
    """The payload of `subscribe` is what a POST has in its body."""
    one = "query One($id: Int!) { chatSession(chatSessionId: $id) { topicId } }"

    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        query = f"query Other {{ __typename }} {one}"
        answer = ask(socket, query, variables={"id": 1}, operationName="One", extensions=None)

    assert answer == {"data": {"chatSession": {"topicId": 4}}}


def test_a_query_that_does_not_fit_the_schema_is_an_error(address: str) -> None:
    """It has the code of HTTP, and the socket stays open."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        send(socket, id="1", type="subscribe", payload={"query": "{ nope }"})
        answer = receive(socket)
        after = ask(socket)

    assert (answer["id"], answer["type"]) == ("1", "error")
    assert answer["payload"][0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert after == DATA


def test_a_ping_is_answered(address: str) -> None:
    """Clients ask whether the socket is still alive."""
    with opened(address) as socket:
        send(socket, type="ping")

        assert receive(socket) == {"type": "pong"}


def test_an_operation_can_be_given_up(address: str) -> None:
    """`complete` for what is over already does no harm."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        send(socket, id="1", type="complete")

        assert ask(socket) == DATA


MALFORMED_MESSAGES = {
    "half": "{",
    "nothing": "",
    "null": "null",
    "a number": "42",
    "a string": '"x"',
    "true": "true",
    "a list": "[]",
    "deep": "[" * 100_000,
    "no type": "{}",
    "type unknown": '{"type": "start"}',
    "type a list": '{"type": []}',
    "type long": json.dumps({"type": LONG}),
    "bytes": b"\x00\xff",
    "init payload a list": '{"type": "connection_init", "payload": []}',
    "payload missing": '{"type": "subscribe", "id": "1"}',
    "id missing": '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "id a list": '{"type": "subscribe", "id": [], "payload": {"query": "{ __typename }"}}',
    "complete without id": '{"type": "complete"}',
    "complete an object": '{"type": "complete", "id": {}}',
}


@pytest.mark.parametrize("message", MALFORMED_MESSAGES.values(), ids=MALFORMED_MESSAGES)
def test_a_malformed_message_closes_the_socket(
    address: str, rest: RestSide, message: str | bytes
) -> None:
    """With 4400, the protocol's own code; 1006 would be a crash."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        socket.send(message)
        code, reason = closing(socket)

    assert code == 4400
    assert reason
    assert rest.calls == 1  # for the login


MALFORMED_OPERATIONS: dict[str, Any] = {
    "null": None,
    "a list": [],
    "empty": {},
    "query empty": {"query": ""},
    "query a number": {"query": 42},
    "variables a list": {"query": "{ a }", "variables": []},
    "variables too large": {"query": "{ a }", "variables": {"a": "x" * 70_000}},
    "name a number": {"query": "{ a }", "operationName": 42},
    "name unknown and long": {"query": "{ __typename }", "operationName": LONG},
    "no such document": {"documentId": "nope"},
    "hash of another text": {
        "query": "{ a }",
        "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}},
    },
    "syntax error": {"query": "{"},
    "several, and none named": {"query": "query A { __typename } query B { __typename }"},
}


@pytest.mark.parametrize("payload", MALFORMED_OPERATIONS.values(), ids=MALFORMED_OPERATIONS)
def test_a_malformed_operation_is_an_error_of_its_own(
    address: str, rest: RestSide, payload: Any
) -> None:
    """The socket stays, and so does every other operation on it."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        send(socket, id="bad", type="subscribe", payload=payload)
        error = receive(socket)
        assert ask(socket) == DATA

    assert (error["type"], error["id"]) == ("error", "bad")
    assert error["payload"][0]["extensions"]["code"] in {
        "BAD_REQUEST",
        "GRAPHQL_PARSE_FAILED",
        "OPERATION_RESOLUTION_FAILURE",
        "PERSISTED_QUERY_NOT_FOUND",
    }


def test_a_query_before_the_start_closes_the_socket(address: str, rest: RestSide) -> None:
    """4401 says that `connection_init` has to come first."""
    with opened(address, CREDENTIALS) as socket:
        send(socket, id="1", type="subscribe", payload={"query": QUERY})

        assert closing(socket)[0] == 4401

    assert rest.calls == 0


def test_a_message_larger_than_the_limit_closes_the_socket(rest: RestSide) -> None:
    """The server's own limit holds for each message."""
    with (
        served(gateway_app(rest), ws_max_size=1000) as url,
        opened(f"{url.replace('http', 'ws')}/graphql") as socket,
    ):
        socket.send("x" * 2000)

        assert closing(socket)[0] == 1009


@pytest.mark.parametrize("protocol", ["graphql-ws", "mqtt"])
def test_another_protocol_is_not_spoken(address: str, protocol: str) -> None:
    """The handshake is refused, with an answer that names the protocol that is spoken."""
    with pytest.raises(InvalidStatus) as refused, opened(address, CREDENTIALS, protocol):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 400
    assert b"graphql-transport-ws" in refused.value.response.body


@pytest.mark.parametrize("path", ["/graphql/", "/subscriptions", "/", "/graphql/Cust1"])
def test_there_is_nothing_at_another_path(address: str, path: str) -> None:
    """The refusal says where GraphQL is, as it does over HTTP."""
    other = address.removesuffix("/graphql") + path
    with pytest.raises(InvalidStatus) as refused, opened(other, CREDENTIALS):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 404
    assert b"GraphQL is at /graphql." in refused.value.response.body


def test_a_page_of_another_site_cannot_open_a_socket(address: str, rest: RestSide) -> None:
    """The browser would send the user's cookies along."""
    with (
        pytest.raises(InvalidStatus) as refused,
        opened(address, SESSION, origin="https://evil.example"),
    ):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 403
    assert rest.calls == 0


def test_a_page_of_this_site_can_open_a_socket(address: str) -> None:
    """Its origin is the host that it calls."""
    origin = address.replace("ws", "http", 1).removesuffix("/graphql")

    with opened(address, SESSION, origin=origin) as socket:
        initiate(socket)

        assert ask(socket) == DATA


def test_a_socket_has_a_request_id_and_a_line_in_the_log(rest: RestSide) -> None:
    """One for all of its operations; what is said on it stays out of the log."""
    with (
        logged() as log,
        served(gateway_app(rest)) as url,
        opened(f"{url.replace('http', 'ws')}/graphql?a=hunter2") as socket,
    ):
        assert socket.response is not None
        request_id = socket.response.headers["X-Request-ID"]
        initiate(socket, Authorization="Basic hunter2")
        ask(socket)
        socket.close()

    (event,) = [event for event in log.events if event["event"] == "request"]
    assert (event["method"], event["path"], event["status"]) == ("WEBSOCKET", "/graphql", 101)
    assert rest.requests[0].headers["x-request-id"] == event["request_id"] == request_id
    assert "hunter2" not in log.getvalue()


def test_a_handshakes_cache_control_is_not_heeded() -> None:
    """Browsers send no-cache with each, and it would hold for as long as the socket."""
    rest = RestSide()
    transport = httpx.MockTransport(rest)
    app = create_app(Settings(upstream_url=UPSTREAM_URL), upstream_transport=transport)
    headers = {**CREDENTIALS, "Cache-Control": "no-cache"}

    with served(app) as url, opened(f"{url.replace('http', 'ws')}/graphql", headers) as socket:
        initiate(socket)
        for _ in range(3):
            ask(socket)

    assert rest.calls == 1


WATCH = "subscription { chatSessions { chatSessionId status } }"


@pytest.fixture
def moved() -> RestSide:
    """Return a REST side of the test's own, which it moves."""
    return RestSide()


@contextlib.contextmanager
def live(rest: RestSide, **settings: Any) -> Iterator[str]:
    """Serve a gateway that looks often; gives the address of its endpoint."""
    options = {"upstream_url": UPSTREAM_URL, "live_interval": 0.02}
    app = create_app(
        Settings(**{**options, **settings}), upstream_transport=httpx.MockTransport(rest)
    )
    with served(app, **OURS) as url:
        yield f"{url.replace('http', 'ws')}/graphql"


def subscribe(socket: ClientConnection, query: str = WATCH, name: str = "1") -> None:
    """Start a subscription."""
    send(socket, id=name, type="subscribe", payload={"query": query})


def next_of(socket: ClientConnection) -> Any:
    """Return the data of the next answer."""
    answer = receive(socket)
    assert answer["type"] == "next", answer
    return answer["payload"]["data"]


def test_a_subscription_is_answered_again_and_again(moved: RestSide) -> None:
    """Until the client has enough of it."""
    with live(moved) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        first = next_of(socket)
        moved.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        second = next_of(socket)
        send(socket, id="1", type="complete")
        after = ask(socket)

    assert first == {"chatSessions": [{"chatSessionId": 1, "status": "IN_QUEUE"}]}
    assert second == {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}
    assert after == DATA


def test_when_the_credentials_expire_the_subscription_ends(moved: RestSide) -> None:
    """The client learns why, and comes back with new ones on a new socket."""
    with live(moved) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        next_of(socket)
        moved.answer = lambda _: httpx.Response(401)
        answer = receive(socket)

        assert answer["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert receive(socket) == {"id": "1", "type": "complete"}


def test_an_outage_of_rest_passes(moved: RestSide) -> None:
    """The screen stays as it is, the circuit opens, and then what is new comes, once."""
    with (
        live(moved, breaker_failures=2, breaker_cooldown=0.1) as address,
        opened(address) as socket,
    ):
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        next_of(socket)
        moved.answer = lambda _: httpx.Response(503)
        calls, started = moved.calls, time.monotonic()
        time.sleep(1)
        during, took_s = moved.calls - calls, time.monotonic() - started
        moved.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        moved.answer = None

        assert next_of(socket) == {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}
        send(socket, id="1", type="complete")
        assert ask(socket) == DATA
    assert 1 <= during <= 10 * took_s  # fifty polls would have been due


def test_a_socket_that_closes_ends_its_subscriptions(moved: RestSide) -> None:
    """REST is left alone afterwards."""
    with live(moved) as address:
        with opened(address) as socket:
            initiate(socket, **CREDENTIALS)
            subscribe(socket)
            next_of(socket)

        until_soon(lambda: is_left_alone(moved))


def is_left_alone(rest: RestSide) -> bool:
    """Return whether ten polls in a row are not made."""
    calls = rest.calls
    time.sleep(0.2)
    return rest.calls == calls


def test_one_socket_too_many_is_refused_until_another_is_closed(moved: RestSide) -> None:
    """503 lets a load balancer try another process."""
    with live(moved, max_sockets=1) as address:
        with opened(address) as first:
            initiate(first, **CREDENTIALS)
            with pytest.raises(InvalidStatus) as refused, opened(address):
                pytest.fail("it was opened")  # pragma: no cover - it must not be
        until_soon(lambda: lets_in(address))

    assert refused.value.response.status_code == 503
    assert b"RATE_LIMITED" in refused.value.response.body


def lets_in(address: str) -> bool:
    """Return whether there is room: the server learns a moment later that a client has left."""
    with contextlib.suppress(InvalidStatus), opened(address) as socket:
        initiate(socket)
        return True
    return False  # pragma: no cover - on a slow machine


def test_a_user_has_so_many_sockets(moved: RestSide) -> None:
    """1013 tells clients to come back later; one without credentials is nobody's."""
    with live(moved, max_sockets_per_caller=1) as address, opened(address) as first:
        initiate(first, **CREDENTIALS)
        with opened(address, CREDENTIALS) as second:
            send(second, type="connection_init")
            assert closing(second) == (1013, "1 sockets may be open for one user at the same time.")
        with opened(address) as nobody, opened(address) as other:
            initiate(nobody)
            initiate(other, Authorization="Basic b3RoZXI6b3RoZXI=")


def test_a_socket_that_does_not_start_is_closed(
    moved: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the place of another."""
    monkeypatch.setattr(websocket, "_STRANGER_S", 0.1)
    with live(moved) as address, opened(address) as socket:
        assert closing(socket)[0] == 4408


def test_a_second_start_closes_the_socket(address: str) -> None:
    """With the protocol's own code."""
    with opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        send(socket, type="connection_init", payload=CREDENTIALS)

        assert closing(socket)[0] == 4429


def test_so_many_operations_run_on_a_socket(
    moved: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more gets an error; the others go on."""
    monkeypatch.setattr(websocket, "_MOST_OPERATIONS", 2)
    with live(moved) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        for name in "ab":
            subscribe(socket, name=name)
            next_of(socket)
        subscribe(socket, name="c")
        refused = receive(socket)
        moved.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        next_of(socket)

    assert (refused["id"], refused["type"]) == ("c", "error")
    assert refused["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}


def test_an_id_in_use_closes_the_socket_whatever_else_runs(
    moved: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many operations as there may be, too."""
    monkeypatch.setattr(websocket, "_MOST_OPERATIONS", 1)
    with live(moved) as address, opened(address, CREDENTIALS) as socket:
        initiate(socket)
        subscribe(socket, name="a")
        subscribe(socket, name="a")

        with pytest.raises(ConnectionClosed) as closed:
            while True:
                receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4409


def test_a_socket_on_which_nothing_is_asked_is_closed(
    moved: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with a subscription stays open, however little happens on it."""
    monkeypatch.setattr(websocket, "_IDLE_S", 1)
    with live(moved) as address, opened(address) as busy, opened(address) as idle:
        initiate(busy, **CREDENTIALS)
        subscribe(busy)
        next_of(busy)
        initiate(idle, **CREDENTIALS)

        assert closing(idle)[0] == 1001
        send(busy, type="ping")
        assert receive(busy) == {"type": "pong"}


def test_a_server_that_stops_tells_its_sockets_to_come_back(moved: RestSide) -> None:
    """1012, service restart: clients connect again, to another process."""
    with contextlib.ExitStack() as client:
        with live(moved) as address:
            socket = client.enter_context(opened(address))
            initiate(socket, **CREDENTIALS)
            subscribe(socket)
            next_of(socket)

        assert closing(socket)[0] == 1012
