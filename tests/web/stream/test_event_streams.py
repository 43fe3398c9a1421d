"""GraphQL over server-sent events, on real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import Settings, create_app
from gateway.server import slow_readers
from gateway.server.protocol import GatewayProtocol
from gateway.web import answer_stream
from tests.support import CREDENTIALS, SESSION, UPSTREAM_URL, RestSide, served
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

WATCH = "subscription { chatSessions { chatSessionId status } }"
QUERY = "{ chatSessions { chatSessionId } }"
JSON, GRAPHQL_JSON, STREAM = (
    "application/json",
    "application/graphql-response+json",
    "text/event-stream",
)
# The Accept header that urql sends with every request.
ANYTHING = f"{GRAPHQL_JSON}, application/graphql+json, {JSON}, {STREAM}, multipart/mixed"
IN_QUEUE = {"data": {"chatSessions": [{"chatSessionId": 1, "status": "IN_QUEUE"}]}}
CLOSED = {"data": {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}}


@contextmanager
def gateway_over(rest: RestSide, **settings: Any) -> Iterator[str]:
    """Serve a gateway that polls often and yield the URL of its endpoint."""
    options = {"upstream_url": UPSTREAM_URL, "live_interval": 0.02}
    app = create_app(
        Settings(**{**options, **settings}), upstream_transport=httpx.MockTransport(rest)
    )
    with served(app, http=GatewayProtocol) as address:
        yield f"{address}/graphql"


@pytest.fixture
def url(rest: RestSide) -> Iterator[str]:
    """Return the URL of a gateway."""
    with gateway_over(rest) as address:
        yield address


@contextmanager
def streamed(
    url: str, query: str = WATCH, accept: str = STREAM, **headers: str
) -> Iterator[httpx.Response]:
    """Request a stream with a POST, as most clients do."""
    all_headers = {**CREDENTIALS, "Accept": accept, **headers}
    with httpx.stream(
        "POST", url, json={"query": query}, headers=all_headers, timeout=10
    ) as response:
        yield response


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each event."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif line.startswith("data:"):
            yield name, json.loads(value) if value else None
        elif line.startswith(":"):
            yield "comment", value


def test_a_subscription_sends_each_change(url: str, rest: RestSide) -> None:
    """A subscription sends an event for each change."""
    with streamed(url) as response:
        answers = events(response)
        first = next(answers)
        rest.body = [{**SESSION, "Status": "Closed"}]
        second = next(answers)

    assert response.status_code == 200
    assert (first, second) == (("next", IN_QUEUE), ("next", CLOSED))


def test_a_stream_is_not_changed_by_proxies(url: str) -> None:
    """A stream forbids proxies to cache, transform or buffer it."""
    with streamed(url, **{"Accept-Encoding": "gzip, br, zstd"}) as response:
        headers = response.headers

    assert headers["content-type"] == STREAM
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "Authorization" in headers["vary"]
    assert "content-encoding" not in headers


def test_the_lines_of_a_stream_end_with_line_feeds(url: str) -> None:
    """Lines end with a line feed alone, as urql's parser knows no carriage return."""
    with streamed(url, QUERY) as response:
        body = response.read()

    assert body.endswith(b"\n\n")
    assert b"\r" not in body


@pytest.mark.parametrize("accept", [STREAM, "multipart/mixed;subscriptionSpec=1.0"])
def test_a_stream_is_in_ascii(url: str, rest: RestSide, accept: str) -> None:
    """Events are in ASCII: Apollo Client 3 breaks a character that comes in two reads."""
    name = 'Håkon \N{GRINNING FACE} 渡辺 "\\'
    rest.body = [{**SESSION, "CustomerName": name}]
    with streamed(url, "{ chatSessions { customerName } }", accept=accept) as response:
        body = response.read()

    assert body.isascii()
    assert json.dumps(name).encode() in body


@pytest.mark.parametrize("empty", ["...{}", "...None", "...on Subscription {...None}"])
def test_an_empty_fragment_before_the_root_field_changes_nothing(url: str, empty: str) -> None:
    """The root field of a subscription need not be its first selection."""
    query = WATCH.replace("{", f"{{ {empty} ", 1)
    fragment = "fragment None on Subscription {}" if "None" in empty else ""
    with streamed(url, f"{query} {fragment}") as response:
        assert next(events(response)) == ("next", IN_QUEUE)


def test_a_subscription_is_answered_over_get(url: str) -> None:
    """A subscription can be requested over GET."""
    parameters = {"query": WATCH}
    headers = {**CREDENTIALS, "Accept": STREAM}
    with httpx.stream("GET", url, params=parameters, headers=headers, timeout=10) as response:
        assert next(events(response)) == ("next", IN_QUEUE)


@pytest.mark.parametrize(
    "accept", [ANYTHING, "*/*", f"{JSON}, {STREAM};q=0.1"], ids=["urql", "anything", "JSON first"]
)
def test_a_query_is_answered_with_json(url: str, accept: str) -> None:
    """A query is answered with JSON if the client accepts that as well as streams."""
    answer = httpx.post(url, json={"query": QUERY}, headers={**CREDENTIALS, "Accept": accept})

    assert answer.headers["content-type"].startswith((JSON, GRAPHQL_JSON))
    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.mark.parametrize("accept", [ANYTHING, "*/*"], ids=["urql", "anything"])
def test_a_subscription_is_answered_with_a_stream(url: str, accept: str) -> None:
    """A subscription is answered with a stream if the client accepts one."""
    with streamed(url, accept=accept) as response:
        assert next(events(response)) == ("next", IN_QUEUE)


def test_a_query_is_one_event_for_clients_that_accept_only_streams(url: str) -> None:
    """For a client that accepts only streams, a query is one event and the end."""
    with streamed(url, QUERY) as response:
        received = list(events(response))

    assert received == [
        ("next", {"data": {"chatSessions": [{"chatSessionId": 1}]}}),
        ("complete", None),
    ]


def test_a_stale_answer_says_so_in_an_event(rest: RestSide) -> None:
    """A stale answer says so in an event as it does in JSON."""
    with gateway_over(rest, cache_ttl=0.01, stale_if_error=60) as url:
        with streamed(url, QUERY) as response:
            list(events(response))
        time.sleep(0.02)
        rest.answer = lambda _: httpx.Response(500)
        with streamed(url, QUERY) as response:
            (_, answer), _ = events(response)

    assert answer["extensions"]["stale"]["reason"] == "stale-if-error"


def test_a_subscription_without_a_stream_gets_406(url: str) -> None:
    """A subscription whose client accepts no stream gets 406, which names the media type."""
    answer = httpx.post(url, json={"query": WATCH}, headers={**CREDENTIALS, "Accept": JSON})

    assert answer.status_code == 406
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


def test_a_subscription_in_a_batch_is_an_error(url: str) -> None:
    """A subscription in a batch gets an error, and the other operations are answered."""
    batch = [{"query": QUERY}, {"query": WATCH}]
    query, subscription = httpx.post(url, json=batch, headers=CREDENTIALS).json()

    assert "errors" not in query
    assert "text/event-stream" in subscription["errors"][0]["message"]


def test_a_batch_of_queries_is_answered(url: str) -> None:
    """A batch of queries gets one answer for each."""
    answer = httpx.post(url, json=[{"query": QUERY}] * 2, headers=CREDENTIALS)

    assert len(answer.json()) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": "unknown"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
    ],
    ids=["documentId", "hash"],
)
def test_an_unknown_document_is_an_event_for_clients_that_accept_only_streams(
    url: str, body: dict[str, object]
) -> None:
    """An unknown document is an event, as graphql-sse retries after JSON with status 200."""
    with httpx.stream(
        "POST", url, json=body, headers={**CREDENTIALS, "Accept": STREAM}
    ) as response:
        (name, answer), over = events(response)
    other = httpx.post(url, json=body, headers={**CREDENTIALS, "Accept": f"{STREAM}, */*"})

    assert (name, over) == ("next", ("complete", None))
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert other.json() == answer


def test_an_invalid_request_gets_400_and_no_stream(url: str) -> None:
    """It is refused before a stream begins, so the answer has its status."""
    answer = httpx.post(url, json={}, headers={**CREDENTIALS, "Accept": STREAM})

    assert answer.status_code == 400


def test_without_credentials_a_stream_is_one_error(url: str, rest: RestSide) -> None:
    """Without credentials a stream is one error and its end, and REST is not called."""
    with httpx.stream("POST", url, json={"query": WATCH}, headers={"Accept": STREAM}) as response:
        (name, answer), over = events(response)

    assert (name, over) == ("next", ("complete", None))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
    assert rest.calls == 0


def request_counts(url: str) -> dict[str, float]:
    """Return the number of requests, and of those below ten seconds, by operation and outcome."""
    text = httpx.get(url.replace("/graphql", "/metrics")).text
    return {
        " ".join((sample.labels["operation"], sample.labels.get("outcome", "quick"))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "gateway_requests_total" or sample.labels.get("le") == "10.0"
        if "operation" in sample.labels
    }


def test_a_stream_is_counted_by_its_first_answer(url: str) -> None:
    """A stream counts as one request, whose duration ends with the first answer."""
    with streamed(url, WATCH.replace("{", "Live {", 1)) as response:
        next(events(response))
    until_soon(lambda: request_counts(url))

    assert request_counts(url) == {"Live ok": 1, "Live quick": 1}


def test_a_refused_stream_is_counted_as_refused(url: str) -> None:
    """A refused stream is counted by its error, without the name of its operation."""
    with httpx.stream(
        "POST", url, json={"query": WATCH.replace("{", "Live {", 1)}, headers={"Accept": STREAM}
    ) as response:
        list(events(response))
    until_soon(lambda: request_counts(url))  # it is counted after its last byte is sent

    assert request_counts(url) == {"other UNAUTHENTICATED": 1, "other quick": 1}


def test_the_request_timeout_does_not_end_a_stream(rest: RestSide) -> None:
    """The request timeout does not end a stream, which may last for hours."""
    with gateway_over(rest, request_timeout=1) as url, streamed(url) as response:
        answers = events(response)
        next(answers)
        time.sleep(1.2)
        rest.body = [{**SESSION, "Status": "Closed"}]

        assert next(answers) == ("next", CLOSED)


def test_a_silent_stream_sends_heartbeats(rest: RestSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent stream sends heartbeats, as proxies close connections after a silent minute."""
    monkeypatch.setattr(answer_stream, "HEARTBEAT_S", 0.05)
    with gateway_over(rest) as url, streamed(url) as response:
        answers = events(response)
        assert "comment" in (kind for kind, _ in answers)
        assert "comment" in (kind for kind, _ in answers), "the second"


def test_a_stream_past_the_limit_is_refused_until_another_closes(rest: RestSide) -> None:
    """A stream past the limit gets 503, so that a load balancer tries another process."""
    with gateway_over(rest, max_sockets=1) as url:
        with streamed(url) as first:
            answers = events(first)
            next(answers)
            with streamed(url) as second:
                second.read()
        wait_for_a_stream(url)

    assert second.status_code == 503
    assert second.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}


def test_a_stream_of_an_unauthenticated_client_makes_room(rest: RestSide) -> None:
    """A stream whose credentials are not accepted yet is closed when another needs its place."""
    bad = CREDENTIALS["Authorization"]
    rest.answer = lambda request: httpx.Response(
        500 if request.headers["authorization"] == bad else 200, json=rest.body
    )
    with gateway_over(rest, max_sockets=10) as url, streamed(url) as first:
        answers = events(first)
        assert "errors" in next(answers)[1]
        with streamed(url, Authorization="Basic b3RoZXI6b3RoZXI=") as other:
            assert next(events(other)) == ("next", IN_QUEUE)
        assert [name for name, _ in answers if name == "complete"] == []


def test_each_user_has_a_limit_of_streams(rest: RestSide) -> None:
    """A user past its limit of streams gets 429; other users are not affected."""
    with gateway_over(rest, max_sockets_per_caller=1) as url, streamed(url) as first:
        answers = events(first)
        next(answers)
        with streamed(url) as second:
            second.read()
        with streamed(url, Authorization="Basic b3RoZXI6b3RoZXI=") as other:
            assert next(events(other)) == ("next", IN_QUEUE)

    assert (second.status_code, other.status_code) == (429, 200)
    assert second.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}


def wait_for_a_stream(url: str) -> None:
    """Retry until a stream is accepted: the server notices a disconnect a moment later."""
    for _ in range(500):
        with streamed(url) as response:
            if response.status_code == 200:
                return
        time.sleep(0.02)  # pragma: no cover - on a slow machine
    pytest.fail("no room")  # pragma: no cover - it must not be


def test_a_shutdown_ends_streams_without_complete(rest: RestSide) -> None:
    """A shutdown ends streams at once, without `complete`, so that clients reconnect."""
    with ExitStack() as client:
        with gateway_over(rest) as url:
            answers = events(client.enter_context(streamed(url)))
            next(answers)
            started = time.perf_counter()
        took_s = time.perf_counter() - started

        assert list(answers) == []
    assert took_s < 5


def test_a_stream_that_begins_in_a_shutdown_ends_at_once(rest: RestSide) -> None:
    """The rest of its request comes after the streams have been ended."""
    body = json.dumps({"query": WATCH})
    head = "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items())
    head += f"Accept: {STREAM}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with ExitStack() as client:
        with gateway_over(rest) as url:
            address = "127.0.0.1", urlsplit(url).port
            connection = client.enter_context(socket.create_connection(address, 10))
            connection.sendall(f"POST /graphql HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{{".encode())
            time.sleep(0.1)
            threading.Timer(0.5, connection.sendall, [body[1:].encode()]).start()
            started = time.perf_counter()
        took_s = time.perf_counter() - started
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert b"complete" not in answer
    assert took_s < 5


def test_a_client_that_does_not_read_is_disconnected(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that reads nothing is disconnected, so its answer leaves the memory."""
    monkeypatch.setattr(slow_readers, "_READER_TIMEOUT_S", 0.3)
    is_lost, original = threading.Event(), GatewayProtocol.connection_lost

    def connection_lost(self: GatewayProtocol, exc: Exception | None) -> None:
        original(self, exc)
        is_lost.set()

    monkeypatch.setattr(GatewayProtocol, "connection_lost", connection_lost)
    rest.body = [{**SESSION, "FirstMessage": "x" * 1_000_000} for _ in range(12)]
    body = json.dumps({"query": "{ chatSessions { firstMessage } }"})
    with gateway_over(rest) as url:
        address = urlsplit(url)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect((address.hostname, address.port))
            connection.sendall(
                f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Basic a\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                f"{body}".encode()
            )
            assert is_lost.wait(20)
            received_bytes = 0
            with suppress(ConnectionResetError):
                while chunk := connection.recv(2**20):
                    received_bytes += len(chunk)

    assert received_bytes < 11_000_000


def test_a_slow_client_gets_the_whole_answer(rest: RestSide) -> None:
    """A client that reads slowly gets the whole answer."""
    rest.body = [{**SESSION, "FirstMessage": "x" * 1_000_000} for _ in range(15)]
    with (
        gateway_over(rest) as url,
        streamed(url, "{ chatSessions { firstMessage } }", JSON) as response,
    ):
        time.sleep(0.3)
        size = len(response.read())

    assert size > 15_000_000
