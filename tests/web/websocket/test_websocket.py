"""GraphQL over a WebSocket, with the protocol `graphql-transport-ws`, on real sockets."""

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
from gateway.web.websocket import login
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
    """Return the REST API that all tests here share."""
    return RestSide()


@pytest.fixture(scope="module")
def address(the_rest: RestSide) -> Iterator[str]:
    """Return the address of a real gateway that caches nothing between tests."""
    with served(gateway_app(the_rest), **OURS) as url:
        yield f"{url.replace('http', 'ws')}/graphql"


@pytest.fixture
def rest(the_rest: RestSide) -> RestSide:
    """Return the shared REST API with its count at zero."""
    the_rest.requests.clear()
    return the_rest


def gateway_app(rest: RestSide, **options: Any) -> Starlette:
    """Build a gateway over a fake REST API."""
    settings = Settings(upstream_url=UPSTREAM_URL, cache_ttl=0, **options)
    return create_app(settings, upstream_transport=httpx.MockTransport(rest))


@contextlib.contextmanager
def opened(
    address: str,
    headers: Mapping[str, str] | None = None,
    protocol: str = "graphql-transport-ws",
    origin: str | None = None,
) -> Iterator[ClientConnection]:
    """Open a WebSocket with these headers in its handshake."""
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
    """Return the next message, which must be text: browsers return anything else as a blob."""
    text = socket.recv(timeout=10)
    assert isinstance(text, str)
    return json.loads(text)


def initiate(socket: ClientConnection, **payload: Any) -> None:
    """Log in with this payload."""
    send(socket, type="connection_init", payload=payload)
    assert receive(socket) == {"type": "connection_ack"}


def ask(socket: ClientConnection, query: str = QUERY, **payload: Any) -> Any:
    """Run one query and return its answer."""
    send(socket, id="1", type="subscribe", payload={"query": query, **payload})
    answer = receive(socket)
    assert receive(socket) == {"id": "1", "type": "complete"}
    assert (answer["id"], answer["type"]) == ("1", "next")
    return answer["payload"]


def close_code_and_reason(socket: ClientConnection) -> tuple[int, str]:
    """Wait until the gateway closes the socket, and return its code and reason."""
    with pytest.raises(ConnectionClosed) as closed:
        receive(socket)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_credentials_in_connection_init_are_used(address: str, rest: RestSide, name: str) -> None:
    """Browsers cannot set headers on a WebSocket, so the payload has them, in any case."""
    with opened(address) as socket:
        initiate(socket, **{name: "Bearer abc", "so-LANGUAGE": "nb"})

        assert ask(socket) == DATA

    for request in rest.requests:  # for the login, and for the query
        assert request.headers["authorization"] == "Bearer abc"
        assert request.headers["so-language"] == "nb"
    assert rest.calls == 2


@pytest.mark.parametrize("headers", [CREDENTIALS, SESSION], ids=["authorization", "session"])
def test_credentials_in_the_handshake_are_used(
    address: str, rest: RestSide, headers: dict[str, str]
) -> None:
    """Headers and cookies of the handshake are credentials, too."""
    with opened(address, headers) as socket:
        initiate(socket)

        assert ask(socket) == DATA

    assert headers.items() <= {(name, rest.requests[0].headers[name]) for name in headers}


def test_cookies_of_the_handshake_and_a_token_in_the_payload_are_combined(
    address: str, rest: RestSide
) -> None:
    """A browser's cookies in the handshake and its token in the payload are one login."""
    with opened(address, {"Cookie": "id=abc"}) as socket:
        initiate(socket, **{"X-XSRF-TOKEN": "token"})

        assert ask(socket) == DATA

    assert rest.requests[0].headers["cookie"] == "id=abc"
    assert rest.requests[0].headers["x-xsrf-token"] == "token"


def test_the_payload_wins_over_the_handshake(address: str, rest: RestSide) -> None:
    """The user of the page takes precedence over a proxy's credentials in the handshake."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket, authorization="Bearer abc")
        ask(socket)

    assert rest.requests[0].headers.get_list("authorization") == ["Bearer abc"]


@pytest.mark.parametrize(
    "payload",
    [{}, {"Cookie": "id=abc", "X-XSRF-TOKEN": "token"}, {"Authorization": "NTLM x"}],
    ids=["nothing", "a session", "NTLM"],
)
def test_without_credentials_a_query_gets_unauthenticated(
    address: str, rest: RestSide, payload: dict[str, str]
) -> None:
    """A query without credentials gets the error of HTTP; cookies in a payload do not count."""
    with opened(address) as socket:
        initiate(socket, **payload)
        answer = ask(socket)

    assert answer["data"] == {"chatSessions": None}
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert rest.calls == 0


def test_an_invalid_header_value_in_the_payload_is_a_bad_request(
    address: str, rest: RestSide
) -> None:
    """A value in the payload that no header may have is refused."""
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


def test_a_stale_answer_says_so_on_a_socket(changing_rest: RestSide) -> None:
    """A stale answer says so, and the next answer on the socket does not."""
    with (
        live(changing_rest, cache_ttl=0.01, stale_if_error=60) as address,
        opened(address, CREDENTIALS) as socket,
    ):
        initiate(socket)
        answers = [ask(socket)]
        time.sleep(0.02)
        changing_rest.answer = lambda _: httpx.Response(500)
        answers.append(ask(socket))
        changing_rest.answer = None
        answers.append(ask(socket))

    stale = {"ageSeconds": 0, "reason": "stale-if-error", "code": "UPSTREAM_ERROR"}
    assert answers == [DATA, {**DATA, "extensions": {"stale": stale}}, DATA]


def test_variables_and_names_work_as_over_http(address: str) -> None:
    """The payload of `subscribe` has the form of a POST's body."""
    one = "query One($id: Int!) { chatSession(chatSessionId: $id) { topicId } }"

    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        query = f"query Other {{ __typename }} {one}"
        answer = ask(socket, query, variables={"id": 1}, operationName="One", extensions=None)

    assert answer == {"data": {"chatSession": {"topicId": 4}}}


def test_an_invalid_query_is_an_error(address: str) -> None:
    """An invalid query gets the code of HTTP, and the socket stays open."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        send(socket, id="1", type="subscribe", payload={"query": "{ nope }"})
        answer = receive(socket)
        next_answer = ask(socket)

    assert (answer["id"], answer["type"]) == ("1", "error")
    assert answer["payload"][0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert next_answer == DATA


def test_a_ping_is_answered(address: str) -> None:
    """A ping, with which clients check the connection, gets a pong."""
    with opened(address) as socket:
        send(socket, type="ping")

        assert receive(socket) == {"type": "pong"}


def test_complete_for_an_unknown_operation_is_ignored(address: str) -> None:
    """`complete` for an operation that does not run is ignored."""
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
    "id long": json.dumps({"type": "subscribe", "id": "1" * 1_001, "payload": {}}),
    "id half an emoji": '{"type": "subscribe", "id": "\\ud83d", "payload": {}}',
    "half an emoji without id": '{"type": "ping", "payload": "\\ud83d"}',
    "too many values": json.dumps({"type": "ping", "payload": [[]] * 60_000}),
    "complete without id": '{"type": "complete"}',
    "complete an object": '{"type": "complete", "id": {}}',
}


@pytest.mark.parametrize("message", MALFORMED_MESSAGES.values(), ids=MALFORMED_MESSAGES)
def test_a_malformed_message_closes_the_socket(
    address: str, rest: RestSide, message: str | bytes
) -> None:
    """A malformed message closes the socket with the protocol's code 4400."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)
        socket.send(message)
        code, reason = close_code_and_reason(socket)

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
    "half an emoji": {"query": "{ a }", "variables": {"a": "\ud83d"}},
    "a number without an end": {"query": "{ a }", "variables": {"a": float("inf")}},
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
def test_a_malformed_operation_is_an_error(address: str, rest: RestSide, payload: Any) -> None:
    """A malformed operation gets an error, and the socket and other operations continue."""
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


def test_a_query_before_connection_init_closes_the_socket(address: str, rest: RestSide) -> None:
    """A query before `connection_init` closes the socket with 4401."""
    with opened(address, CREDENTIALS) as socket:
        send(socket, id="1", type="subscribe", payload={"query": QUERY})

        assert close_code_and_reason(socket)[0] == 4401

    assert rest.calls == 0


def test_a_message_larger_than_the_limit_closes_the_socket(rest: RestSide) -> None:
    """A message larger than uvicorn's limit closes the socket with 1009."""
    with (
        served(gateway_app(rest), ws_max_size=1000) as url,
        opened(f"{url.replace('http', 'ws')}/graphql") as socket,
    ):
        socket.send("x" * 2000)

        assert close_code_and_reason(socket)[0] == 1009


def test_after_the_login_any_number_of_messages_is_accepted(address: str) -> None:
    """Our server limits their number until SuperOffice has accepted the client."""
    with opened(address, CREDENTIALS) as socket:
        initiate(socket)

        for _ in range(300):
            send(socket, type="ping")
            assert receive(socket) == {"type": "pong"}


@pytest.mark.parametrize("protocol", ["graphql-ws", "mqtt"])
def test_another_protocol_is_refused(address: str, protocol: str) -> None:
    """A handshake for another protocol gets an error that names the right one."""
    with pytest.raises(InvalidStatus) as refused, opened(address, CREDENTIALS, protocol):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 400
    assert b"graphql-transport-ws" in refused.value.response.body


@pytest.mark.parametrize("path", ["/graphql/", "/subscriptions", "/", "/graphql/Cust1"])
def test_a_handshake_at_another_path_gets_404(address: str, path: str) -> None:
    """A handshake at another path gets a 404 that names the path of GraphQL."""
    other = address.removesuffix("/graphql") + path
    with pytest.raises(InvalidStatus) as refused, opened(other, CREDENTIALS):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 404
    assert b"GraphQL is at /graphql." in refused.value.response.body


def test_a_page_of_another_site_cannot_open_a_socket(address: str, rest: RestSide) -> None:
    """A page of another site, with which the browser would send cookies, gets 403."""
    with (
        pytest.raises(InvalidStatus) as refused,
        opened(address, SESSION, origin="https://evil.example"),
    ):
        pytest.fail("it was opened")  # pragma: no cover - it must not be

    assert refused.value.response.status_code == 403
    assert rest.calls == 0


@pytest.mark.parametrize(
    ("allowed", "origin", "has_cookies"),
    [("*", "", True), ("*", "https://a.example", False), ("https://a.example",) * 2 + (True,)],
    ids=["own page", "all pages", "listed page"],
)
def test_with_all_origins_allowed_other_sites_have_no_cookies(
    rest: RestSide, allowed: str, origin: str, has_cookies: bool
) -> None:
    """A page that may open a socket has the browser's cookies if CORS would let it have them."""
    with served(gateway_app(rest, cors_origins=allowed), **OURS) as url:
        address = f"{url.replace('http', 'ws')}/graphql"
        with opened(address, {"Cookie": "id=abc"}, origin=origin or url) as socket:
            initiate(socket, **{"X-XSRF-TOKEN": "token"})

            assert (ask(socket) == DATA) is has_cookies

    assert bool(rest.calls) is has_cookies


def test_a_page_of_this_site_can_open_a_socket(address: str) -> None:
    """A page whose origin is the gateway's own host can open a socket."""
    origin = address.replace("ws", "http", 1).removesuffix("/graphql")

    with opened(address, SESSION, origin=origin) as socket:
        initiate(socket)

        assert ask(socket) == DATA


def test_a_socket_has_a_request_id_and_a_line_in_the_log(rest: RestSide) -> None:
    """A socket has one request id and one log line, without its messages."""
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


def test_cache_control_of_a_handshake_is_ignored() -> None:
    """Browsers send no-cache with each handshake, so it does not bypass the cache."""
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
def changing_rest() -> RestSide:
    """Return a REST API for one test, which changes its sessions."""
    return RestSide()


@contextlib.contextmanager
def live(rest: RestSide, **settings: Any) -> Iterator[str]:
    """Serve a gateway that polls often and yield the address of its endpoint."""
    options = {"upstream_url": UPSTREAM_URL, "live_interval": 0.02}
    app = create_app(
        Settings(**{**options, **settings}), upstream_transport=httpx.MockTransport(rest)
    )
    with served(app, **OURS) as url:
        yield f"{url.replace('http', 'ws')}/graphql"


def subscribe(socket: ClientConnection, query: str = WATCH, name: str = "1") -> None:
    """Start a subscription."""
    send(socket, id=name, type="subscribe", payload={"query": query})


def next_data(socket: ClientConnection) -> Any:
    """Return the data of the next answer."""
    answer = receive(socket)
    assert answer["type"] == "next", answer
    return answer["payload"]["data"]


def test_a_subscription_sends_each_change(changing_rest: RestSide) -> None:
    """A subscription sends each change until the client completes it."""
    with live(changing_rest) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        first = next_data(socket)
        changing_rest.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        second = next_data(socket)
        send(socket, id="1", type="complete")
        next_answer = ask(socket)

    assert first == {"chatSessions": [{"chatSessionId": 1, "status": "IN_QUEUE"}]}
    assert second == {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}
    assert next_answer == DATA


def test_expired_credentials_end_a_subscription(changing_rest: RestSide) -> None:
    """Expired credentials end a subscription with an error, so that the client logs in again."""
    with live(changing_rest) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        next_data(socket)
        changing_rest.answer = lambda _: httpx.Response(401)
        answer = receive(socket)

        assert answer["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert receive(socket) == {"id": "1", "type": "complete"}


def test_a_subscription_survives_an_outage_of_rest(changing_rest: RestSide) -> None:
    """During an outage nothing is sent and the breaker opens; the next change is sent once."""
    with (
        live(changing_rest, breaker_failures=2, breaker_cooldown=0.1) as address,
        opened(address) as socket,
    ):
        initiate(socket, **CREDENTIALS)
        subscribe(socket)
        next_data(socket)
        changing_rest.answer = lambda _: httpx.Response(503)
        calls, started = changing_rest.calls, time.monotonic()
        time.sleep(1)
        during, took_s = changing_rest.calls - calls, time.monotonic() - started
        changing_rest.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        changing_rest.answer = None

        assert next_data(socket) == {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}
        send(socket, id="1", type="complete")
        assert ask(socket) == DATA
    assert 1 <= during <= 10 * took_s  # fifty polls would have been due


def test_a_closed_socket_ends_its_subscriptions(changing_rest: RestSide) -> None:
    """A closed socket ends the polling of its subscriptions."""
    with live(changing_rest) as address:
        with opened(address) as socket:
            initiate(socket, **CREDENTIALS)
            subscribe(socket)
            next_data(socket)

        until_soon(lambda: has_no_polls(changing_rest))


def has_no_polls(rest: RestSide) -> bool:
    """Return whether ten polls in a row are missing."""
    calls = rest.calls
    time.sleep(0.2)
    return rest.calls == calls


def test_a_socket_past_the_limit_is_refused_until_another_closes(changing_rest: RestSide) -> None:
    """A socket past the limit gets 503, so that a load balancer tries another process."""
    with live(changing_rest, max_sockets=1) as address:
        with opened(address) as first:
            initiate(first, **CREDENTIALS)
            with pytest.raises(InvalidStatus) as refused, opened(address):
                pytest.fail("it was opened")  # pragma: no cover - it must not be
        until_soon(lambda: accepts(address))

    assert refused.value.response.status_code == 503
    assert b"RATE_LIMITED" in refused.value.response.body


def accepts(address: str) -> bool:
    """Return whether a socket is accepted: the server notices a disconnect a moment later."""
    with contextlib.suppress(InvalidStatus), opened(address) as socket:
        initiate(socket)
        return True
    return False  # pragma: no cover - on a slow machine


def test_each_user_has_a_limit_of_sockets(changing_rest: RestSide) -> None:
    """A user past its limit is closed with 1013; sockets without credentials do not count."""
    with live(changing_rest, max_sockets_per_caller=1) as address, opened(address) as first:
        initiate(first, **CREDENTIALS)
        with opened(address, CREDENTIALS) as second:
            send(second, type="connection_init")
            assert close_code_and_reason(second) == (
                1013,
                "1 sockets may be open for one user at the same time.",
            )
        with opened(address) as anonymous, opened(address) as other:
            initiate(anonymous)
            initiate(other, Authorization="Basic b3RoZXI6b3RoZXI=")


def test_a_socket_without_connection_init_is_closed(
    changing_rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket without `connection_init` is closed after a timeout."""
    monkeypatch.setattr(login, "_STRANGER_S", 0.1)
    with live(changing_rest) as address, opened(address) as socket:
        assert close_code_and_reason(socket)[0] == 4408


def test_a_second_connection_init_closes_the_socket(address: str) -> None:
    """A second `connection_init` closes the socket with 4429."""
    with opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        send(socket, type="connection_init", payload=CREDENTIALS)

        assert close_code_and_reason(socket)[0] == 4429


def test_an_operation_past_the_limit_gets_an_error(
    changing_rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation past the limit of a socket gets an error; the others continue."""
    monkeypatch.setattr(websocket, "_MOST_OPERATIONS", 2)
    with live(changing_rest) as address, opened(address) as socket:
        initiate(socket, **CREDENTIALS)
        for name in "ab":
            subscribe(socket, name=name)
            next_data(socket)
        subscribe(socket, name="c")
        refused = receive(socket)
        changing_rest.body = [{"ChatSessionId": 1, "Status": "Closed"}]
        next_data(socket)

    assert (refused["id"], refused["type"]) == ("c", "error")
    assert refused["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}


def test_an_id_in_use_closes_the_socket(
    changing_rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id in use closes the socket with 4409, also at the limit of operations."""
    monkeypatch.setattr(websocket, "_MOST_OPERATIONS", 1)
    with live(changing_rest) as address, opened(address, CREDENTIALS) as socket:
        initiate(socket)
        subscribe(socket, name="a")
        subscribe(socket, name="a")

        with pytest.raises(ConnectionClosed) as closed:
            while True:
                receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4409


def test_an_idle_socket_is_closed(changing_rest: RestSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle socket is closed; one with a subscription stays open."""
    monkeypatch.setattr(login, "_IDLE_S", 1)
    with live(changing_rest) as address, opened(address) as busy, opened(address) as idle:
        initiate(busy, **CREDENTIALS)
        subscribe(busy)
        next_data(busy)
        initiate(idle, **CREDENTIALS)

        assert close_code_and_reason(idle)[0] == 1001
        send(busy, type="ping")
        assert receive(busy) == {"type": "pong"}


def test_a_shutdown_closes_sockets_with_1012(changing_rest: RestSide) -> None:
    """A shutdown closes sockets with 1012, after which clients reconnect."""
    with contextlib.ExitStack() as client:
        with live(changing_rest) as address:
            socket = client.enter_context(opened(address))
            initiate(socket, **CREDENTIALS)
            subscribe(socket)
            next_data(socket)

        assert close_code_and_reason(socket)[0] == 1012
