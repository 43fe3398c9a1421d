"""GraphQL over server-sent events, over real sockets."""

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
from gateway.server import limits
from gateway.server.protocol import GatewayProtocol
from gateway.web import answer_stream
from tests.support import CREDENTIALS, SESSION, UPSTREAM_URL, RestSide, served

pytestmark = pytest.mark.socket

WATCH = "subscription { chatSessions { chatSessionId status } }"
QUERY = "{ chatSessions { chatSessionId } }"
JSON, GRAPHQL_JSON, STREAM = (
    "application/json",
    "application/graphql-response+json",
    "text/event-stream",
)
# As urql sends it with everything.
ANYTHING = f"{GRAPHQL_JSON}, application/graphql+json, {JSON}, {STREAM}, multipart/mixed"
IN_QUEUE = {"data": {"chatSessions": [{"chatSessionId": 1, "status": "IN_QUEUE"}]}}
CLOSED = {"data": {"chatSessions": [{"chatSessionId": 1, "status": "CLOSED"}]}}


@contextmanager
def gateway_over(rest: RestSide, **settings: Any) -> Iterator[str]:
    """Serve a gateway that looks often; gives the address of its endpoint."""
    options = {"upstream_url": UPSTREAM_URL, "live_interval": 0.02}
    app = create_app(
        Settings(**{**options, **settings}), upstream_transport=httpx.MockTransport(rest)
    )
    with served(app, http=GatewayProtocol) as address:
        yield f"{address}/graphql"


@pytest.fixture
def url(rest: RestSide) -> Iterator[str]:
    """Return the address of a gateway."""
    with gateway_over(rest) as address:
        yield address


@contextmanager
def streamed(
    url: str, query: str = WATCH, accept: str = STREAM, **headers: str
) -> Iterator[httpx.Response]:
    """Ask for a stream with a POST, as most clients do."""
    sent = {**CREDENTIALS, "Accept": accept, **headers}
    with httpx.stream("POST", url, json={"query": query}, headers=sent, timeout=10) as response:
        yield response


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Read one event after the other: its name, and its data."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif line.startswith("data:"):
            yield name, json.loads(value) if value else None
        elif line.startswith(":"):
            yield "comment", value


def test_a_subscription_is_answered_again_and_again(url: str, rest: RestSide) -> None:
    """As long as the client is there."""
    with streamed(url) as response:
        answers = events(response)
        first = next(answers)
        rest.body = [{**SESSION, "Status": "Closed"}]
        second = next(answers)

    assert response.status_code == 200
    assert (first, second) == (("next", IN_QUEUE), ("next", CLOSED))


def test_a_stream_passes_proxies_as_it_is(url: str) -> None:
    """It is neither kept, nor changed, nor held back on its way."""
    with streamed(url, **{"Accept-Encoding": "gzip, br, zstd"}) as response:
        headers = response.headers

    assert headers["content-type"] == STREAM
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "Authorization" in headers["vary"]
    assert "content-encoding" not in headers


def test_the_lines_of_a_stream_end_as_all_clients_know_it(url: str) -> None:
    """With a line feed alone: urql's own reader knows no carriage return."""
    with streamed(url, QUERY) as response:
        body = response.read()

    assert body.endswith(b"\n\n")
    assert b"\r" not in body


def test_a_subscription_is_answered_over_get(url: str) -> None:
    """Its headers come at once, and not with the first event."""
    parameters = {"query": WATCH}
    sent = {**CREDENTIALS, "Accept": STREAM}
    with httpx.stream("GET", url, params=parameters, headers=sent, timeout=10) as response:
        assert next(events(response)) == ("next", IN_QUEUE)


@pytest.mark.parametrize("accept", [ANYTHING, "*/*", f"{JSON}, {STREAM};q=0.1"])
def test_a_query_is_answered_in_one_piece(url: str, accept: str) -> None:
    """Clients that take streams as well send the same header with everything."""
    answer = httpx.post(url, json={"query": QUERY}, headers={**CREDENTIALS, "Accept": accept})

    assert answer.headers["content-type"].startswith((JSON, GRAPHQL_JSON))
    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.mark.parametrize("accept", [ANYTHING, "*/*"])
def test_a_subscription_is_answered_by_a_stream_wherever_one_is_taken(
    url: str, accept: str
) -> None:
    """There is no other answer to it."""
    with streamed(url, accept=accept) as response:
        assert next(events(response)) == ("next", IN_QUEUE)


def test_a_query_is_one_event_to_whoever_takes_nothing_else(url: str) -> None:
    """And the stream is over."""
    with streamed(url, QUERY) as response:
        got = list(events(response))

    assert got == [
        ("next", {"data": {"chatSessions": [{"chatSessionId": 1}]}}),
        ("complete", None),
    ]


def test_an_old_answer_says_so_in_an_event_too(rest: RestSide) -> None:
    """As it does in one piece."""
    with gateway_over(rest, cache_ttl=0.01, stale_if_error=60) as url:
        with streamed(url, QUERY) as response:
            list(events(response))
        time.sleep(0.02)
        rest.answer = lambda _: httpx.Response(500)
        with streamed(url, QUERY) as response:
            (_, answer), _ = events(response)

    assert answer["extensions"]["stale"]["reason"] == "stale-if-error"


def test_a_subscription_cannot_be_answered_in_one_piece(url: str) -> None:
    """The error says how to ask for it."""
    answer = httpx.post(url, json={"query": WATCH}, headers={**CREDENTIALS, "Accept": JSON})

    assert answer.status_code == 406
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


def test_a_subscription_in_a_batch_is_an_error_of_its_own(url: str) -> None:
    """The operations beside it are answered."""
    batch = [{"query": QUERY}, {"query": WATCH}]
    query, subscription = httpx.post(url, json=batch, headers=CREDENTIALS).json()

    assert "errors" not in query
    assert "text/event-stream" in subscription["errors"][0]["message"]


def test_a_batch_of_queries_is_answered_as_before(url: str) -> None:
    """It has an answer for each."""
    answer = httpx.post(url, json=[{"query": QUERY}] * 2, headers=CREDENTIALS)

    assert len(answer.json()) == 2


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": "unknown"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
    ],
)
def test_a_document_that_is_not_known_is_an_event_for_who_takes_nothing_else(
    url: str, named: dict[str, object]
) -> None:
    """For graphql-sse, JSON with the status 200 is a broken stream, to be tried again."""
    with httpx.stream(
        "POST", url, json=named, headers={**CREDENTIALS, "Accept": STREAM}
    ) as response:
        (name, answer), over = events(response)
    other = httpx.post(url, json=named, headers={**CREDENTIALS, "Accept": f"{STREAM}, */*"})

    assert (name, over) == ("next", ("complete", None))
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert other.json() == answer


def test_a_request_that_is_none_is_refused_in_one_piece(url: str) -> None:
    """With the status that says so."""
    answer = httpx.post(url, json={}, headers={**CREDENTIALS, "Accept": STREAM})

    assert answer.status_code == 400


def test_without_credentials_the_stream_says_so_and_is_over(url: str, rest: RestSide) -> None:
    """REST is not called."""
    with httpx.stream("POST", url, json={"query": WATCH}, headers={"Accept": STREAM}) as response:
        (name, answer), over = events(response)

    assert (name, over) == ("next", ("complete", None))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
    assert rest.calls == 0


def counted(url: str) -> dict[str, float]:
    """Return the counts of requests, and of those that took no more than ten seconds, by name."""
    text = httpx.get(url.replace("/graphql", "/metrics")).text
    return {
        " ".join((sample.labels["operation"], sample.labels.get("outcome", "quick"))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "gateway_requests_total" or sample.labels.get("le") == "10.0"
        if "operation" in sample.labels
    }


def test_a_stream_is_counted_by_its_first_answer(url: str) -> None:
    """How long it lasts is no measure of anything."""
    with streamed(url, WATCH.replace("{", "Live {", 1)) as response:
        next(events(response))
    deadline = time.monotonic() + 10
    counts = counted(url)
    while not counts and time.monotonic() < deadline:
        counts = counted(url)

    assert counts == {"Live ok": 1, "Live quick": 1}


def test_a_stream_that_is_refused_is_counted_as_such(url: str) -> None:
    """The name of an operation that was never answered is not told."""
    with httpx.stream(
        "POST", url, json={"query": WATCH.replace("{", "Live {", 1)}, headers={"Accept": STREAM}
    ) as response:
        list(events(response))

    assert counted(url) == {"other UNAUTHENTICATED": 1, "other quick": 1}


def test_the_time_for_a_request_is_not_that_of_a_stream(rest: RestSide) -> None:
    """It goes on for hours."""
    with gateway_over(rest, request_timeout=1) as url, streamed(url) as response:
        answers = events(response)
        next(answers)
        time.sleep(1.2)
        rest.body = [{**SESSION, "Status": "Closed"}]

        assert next(answers) == ("next", CLOSED)


def test_a_stream_in_which_nothing_happens_shows_that_it_is_alive(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies close what is silent for a minute."""
    monkeypatch.setattr(answer_stream, "HEARTBEAT_S", 0.05)
    with gateway_over(rest) as url, streamed(url) as response:
        answers = events(response)
        assert "comment" in (kind for kind, _ in answers)
        assert "comment" in (kind for kind, _ in answers), "the second"


def test_one_stream_too_many_is_refused_until_another_is_closed(rest: RestSide) -> None:
    """503 lets a load balancer try another process."""
    with gateway_over(rest, max_sockets=1) as url:
        with streamed(url) as first:
            answers = events(first)
            next(answers)
            with streamed(url) as second:
                second.read()
        wait_for_a_stream(url)

    assert second.status_code == 503
    assert second.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}


def test_a_stream_without_a_good_answer_makes_room_for_others(rest: RestSide) -> None:
    """While SuperOffice is out of service, anybody's credentials may be made up."""
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


def test_a_user_has_so_many_streams(rest: RestSide) -> None:
    """Another one is not kept from having some."""
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
    """Try until there is room: the server learns a moment later that a client has left."""
    for _ in range(500):
        with streamed(url) as response:
            if response.status_code == 200:
                return
        time.sleep(0.02)  # pragma: no cover - on a slow machine
    pytest.fail("no room")  # pragma: no cover - it must not be


def test_a_server_that_stops_ends_its_streams(rest: RestSide) -> None:
    """At once, and without `complete`, after which clients would not come back."""
    with ExitStack() as client:
        with gateway_over(rest) as url:
            answers = events(client.enter_context(streamed(url)))
            next(answers)
            started = time.perf_counter()
        took_s = time.perf_counter() - started

        assert list(answers) == []
    assert took_s < 5


def test_who_does_not_read_is_not_waited_for(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was to be sent, a stream or an answer in one piece, would stay in memory."""
    monkeypatch.setattr(limits, "_READER_TIMEOUT_S", 0.3)
    is_lost, forget = threading.Event(), GatewayProtocol.connection_lost

    def connection_lost(self: GatewayProtocol, exc: Exception | None) -> None:
        forget(self, exc)
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
            got = 0
            with suppress(ConnectionResetError):
                while chunk := connection.recv(2**20):
                    got += len(chunk)

    assert got < 11_000_000


def test_who_reads_slowly_gets_it_all(rest: RestSide) -> None:
    """Whoever goes on reading is waited for."""
    rest.body = [{**SESSION, "FirstMessage": "x" * 1_000_000} for _ in range(15)]
    with (
        gateway_over(rest) as url,
        streamed(url, "{ chatSessions { firstMessage } }", JSON) as response,
    ):
        time.sleep(0.3)
        size = len(response.read())

    assert size > 15_000_000
