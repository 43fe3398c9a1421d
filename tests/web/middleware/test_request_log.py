"""Each request has one id and one log line, without secrets."""

import json
from collections.abc import Iterator

import httpx
import pytest

from gateway.web.access_record import AccessRecord
from tests.observe.logged import Log, logged
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over

QUERY = "{ chatSessions { chatSessionId } }"


@pytest.fixture
def log() -> Iterator[Log]:
    """Return the JSON log of the process."""
    with logged() as log:
        yield log


@pytest.mark.parametrize(
    "sent",
    ["abc", "a-1_2.3:4/5+6=7@8", "x" * 128],
    ids=["letters", "punctuation", "128 characters"],
)
async def test_the_clients_id_is_used(
    gateway: Gateway, rest: RestSide, log: Log, sent: str
) -> None:
    """The client's request id is returned, sent to REST and logged."""
    response = await gateway.post(QUERY, headers={**CREDENTIALS, "X-Request-ID": sent})

    assert response.headers["x-request-id"] == sent
    assert rest.requests[0].headers["x-request-id"] == sent
    assert [event["request_id"] for event in log.events] == [sent]


async def test_a_missing_id_is_made(gateway: Gateway, rest: RestSide, log: Log) -> None:
    """A new request id is returned, sent to REST and logged if the client sends none."""
    response = await gateway.post(QUERY)

    request_id = response.headers["x-request-id"]
    assert len(request_id) == 16
    assert rest.requests[0].headers["x-request-id"] == request_id
    assert [event["request_id"] for event in log.events] == [request_id]


async def test_every_request_has_an_id_of_its_own(gateway: Gateway) -> None:
    """Every new request id differs."""
    ids = {(await gateway.http.get("/healthz")).headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


@pytest.mark.parametrize(
    "sent",
    [
        [b""],
        [b"a b"],
        [b"a;b"],
        [b'a"b'],
        [b"\xe6"],
        [b"{}"],
        [b"x" * 129],
        [b"one", b"two"],
    ],
    ids=[
        "empty",
        "a space",
        "a semicolon",
        "a quote",
        "not ASCII",
        "braces",
        "129 bytes",
        "two ids",
    ],
)
async def test_an_invalid_id_is_replaced(
    gateway: Gateway, rest: RestSide, sent: list[bytes]
) -> None:
    """An invalid or repeated request id is replaced before it reaches the log or REST."""
    headers: list[tuple[bytes, bytes]] = [(b"X-Request-ID", value) for value in sent]
    headers += [(name.encode(), value.encode()) for name, value in CREDENTIALS.items()]

    response = await gateway.http.post("/graphql", json={"query": QUERY}, headers=headers)

    request_id = response.headers["x-request-id"]
    assert len(request_id) == 16
    assert rest.requests[0].headers.get_list("x-request-id") == [request_id]


async def test_a_trace_context_is_passed_to_rest(gateway: Gateway, rest: RestSide) -> None:
    """`traceparent` and `tracestate` are passed to REST unchanged (W3C Trace Context)."""
    trace = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "congo=t61rcWkgMzE",
    }

    await gateway.post(QUERY, headers={**CREDENTIALS, **trace})

    assert trace.items() <= dict(rest.requests[0].headers).items()


async def test_lines_of_tracestate_are_one_list(gateway: Gateway, rest: RestSide) -> None:
    """Several lines of `tracestate` are passed on as one list (W3C Trace Context)."""
    headers = [*CREDENTIALS.items(), ("tracestate", "a=1"), ("tracestate", "b=2")]

    await gateway.http.post("/graphql", json={"query": QUERY}, headers=headers)

    assert rest.requests[0].headers.get_list("tracestate") == ["a=1, b=2"]


@pytest.mark.parametrize("odd", [b"\xff\xfe", "é".encode(), b"", b"a\x1bb", b"x" * 513])
async def test_an_invalid_trace_header_is_dropped(
    gateway: Gateway, rest: RestSide, odd: bytes
) -> None:
    """An invalid trace header is dropped and does not fail the REST call."""
    valid_headers = {**CREDENTIALS, "tracestate": "x" * 512}
    headers = [(name.encode(), value.encode()) for name, value in valid_headers.items()]

    response = await gateway.http.post(
        "/graphql", json={"query": QUERY}, headers=[*headers, (b"traceparent", odd)]
    )

    assert response.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}
    assert "traceparent" not in rest.requests[0].headers
    assert rest.requests[0].headers["tracestate"] == "x" * 512


async def test_no_trace_context_is_invented(gateway: Gateway, rest: RestSide) -> None:
    """Without a trace of the client, REST gets no trace headers."""
    await gateway.post(QUERY)

    assert not {"traceparent", "tracestate"} & set(rest.requests[0].headers)


async def test_a_request_is_logged_in_one_line(gateway: Gateway, log: Log) -> None:
    """A request is logged in one line with method, path, status and duration."""
    await gateway.post(QUERY)

    (event,) = log.events
    assert (event["event"], event["level"]) == ("request", "info")
    assert (event["method"], event["path"], event["status"]) == ("POST", "/graphql", 200)
    assert event["duration_ms"] >= 0


@pytest.mark.parametrize("path", ["/%1B%5D0;owned%07", "/" + "%41" * 20_000, "/graphql/hunter2"])
async def test_an_unknown_path_is_logged_without_its_text(
    gateway: Gateway, log: Log, path: str
) -> None:
    """An unknown path, which may contain a token, is logged as `(unknown)`."""
    await gateway.http.get(path)
    await gateway.http.post(f"/docs{path}")
    await gateway.http.get("/schema.graphql")
    await gateway.http.post("/schema.graphql")

    assert [event["path"] for event in log.events] == ["(unknown)"] * 2 + ["/schema.graphql"] * 2


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://other.example.com"])
async def test_a_preflight_is_logged_without_an_unknown_path(
    rest: RestSide, log: Log, origin: str
) -> None:
    """A preflight is answered for any path."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with gateway_over(rest, cors_origins="https://app.example.com") as gateway:
        await gateway.http.options("/hunter2", headers=headers)
        await gateway.http.options("/graphql/hunter2", headers=headers)
        await gateway.http.options("/graphql", headers=headers)

    assert [event["path"] for event in log.events] == ["(unknown)"] * 2 + ["/graphql"]


async def test_an_invalid_tenant_is_not_logged(rest: RestSide, log: Log) -> None:
    """A path with an invalid tenant is logged as `(unknown)`."""
    async with gateway_over(rest, upstream_url=None, environment="sod") as gateway:
        await gateway.http.put("/graphql/hunter2")
        await gateway.http.put("/graphql/hunter2", headers={"X-Tenant": "Cust1"})
        await gateway.http.put("/graphql/Cust1")

    assert [event["path"] for event in log.events] == ["(unknown)"] * 2 + ["/graphql/Cust1"]


async def test_a_line_that_is_not_logged_is_not_made(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the level warning a request costs no line; it is counted all the same."""
    made: list[AccessRecord] = []
    monkeypatch.setattr(AccessRecord, "fields", made.append)
    with logged("warning") as log:
        await gateway.post(QUERY)

    assert (made, log.lines) == ([], [])
    assert "gateway_requests_total{" in (await gateway.http.get("/metrics")).text


async def test_probes_are_logged_at_debug(gateway: Gateway) -> None:
    """Health checks and metrics, which are requested every few seconds, are logged at debug."""
    paths = ["/healthz", "/readyz", "/metrics"]
    for level, shown in (("info", []), ("debug", paths)):
        with logged(level) as log:
            for path in paths:
                await gateway.http.get(path)

        assert [event["path"] for event in log.events] == shown


@pytest.mark.parametrize(
    ("trusted", "sent", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1,10.0.0.0/8", "6.6.6.6, 203.0.113.9:4711, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.0/8", "6.6.6.6, [2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, <script>", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
        ("", "203.0.113.9", None),
    ],
)
async def test_a_client_address_comes_from_a_trusted_proxy(
    rest: RestSide, log: Log, trusted: str, sent: str | None, client: str | None
) -> None:
    """The client's address is read from a trusted proxy; without one, none is logged."""
    headers = CREDENTIALS if sent is None else {**CREDENTIALS, "X-Forwarded-For": sent}
    async with gateway_over(rest, trusted_proxies=trusted) as gateway:
        await gateway.post(QUERY, headers=headers)

    assert log.events[-1].get("client") == client


async def test_a_line_describes_the_operation(gateway: Gateway, rest: RestSide, log: Log) -> None:
    """The line has the operation's name, outcome, cache status and REST time."""
    for _ in range(2):
        await gateway.post("query Queue { chatSessions { chatSessionId } }")

    first, second = log.events
    for event, cache in ((first, "miss"), (second, "hit")):
        assert (event["operation"], event["outcome"], event["cache"]) == ("Queue", "ok", cache)
    assert first["upstream_ms"] >= 0
    assert "upstream_ms" not in second


@pytest.mark.parametrize("cache_ttl", [0, 5])
async def test_a_line_has_a_digest_of_the_caller(
    rest: RestSide, log: Log, cache_ttl: float
) -> None:
    """The line identifies a caller by the start of a keyed digest, without naming it."""
    others = {"Authorization": "Bearer other"}
    async with gateway_over(rest, cache_ttl=cache_ttl) as gateway:
        for headers in (CREDENTIALS, CREDENTIALS, others):
            await gateway.post(QUERY, headers=headers)
        rest.answer = lambda request: httpx.Response(500)
        await gateway.post(QUERY, headers={**others, "Cache-Control": "no-cache"})

    callers = [event["caller"] for event in log.events if event["event"] == "request"]
    assert callers[0] == callers[1] != callers[2] == callers[3]
    assert {len(caller) for caller in callers} == {12}


async def test_a_line_has_the_code_of_the_first_error(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """The outcome of a failed operation is the code of its first error."""
    rest.answer = lambda request: httpx.Response(429)

    await gateway.post(QUERY, headers=CREDENTIALS)

    assert log.events[-1]["outcome"] == "RATE_LIMITED"
    assert "cache" not in log.events[-1]


async def test_a_request_without_graphql_has_no_outcome(gateway: Gateway, log: Log) -> None:
    """A request without GraphQL has no operation, outcome, cache status or caller."""
    await gateway.http.get("/schema.graphql")

    assert not {"operation", "outcome", "cache", "caller"} & log.events[0].keys()


async def test_errors_are_logged_with_their_status(gateway: Gateway, log: Log) -> None:
    """Refused requests and unknown paths are logged with their status."""
    await gateway.http.get("/nowhere")
    await gateway.http.put("/graphql")

    assert [event["status"] for event in log.events] == [404, 405]


async def test_a_line_contains_neither_query_nor_credentials(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """The log contains no data of customers or callers, whatever the outcome of the request."""
    parameters = {"query": '{ chatSession(chatSessionId: 1) { customerName } } # "hunter2"'}
    headers = {
        "Authorization": "Basic hunter2",
        "SO-AppToken": "hunter2",
        "Cookie": "a=hunter2",
        "X-XSRF-TOKEN": "hunter2",
    }
    rest.body = [{"ChatSessionId": 1, "CustomerName": "hunter2"}]

    await gateway.http.get("/graphql", params=parameters, headers=headers)
    await gateway.post("{ hunter2 }", headers=headers)
    rest.answer = lambda request: httpx.Response(500, text="hunter2")
    await gateway.post(QUERY, headers={**headers, "SO-Language": "hunter2"})

    assert len(log.events) == 4  # one of them about the failure of REST
    assert "hunter2" not in log.getvalue()


async def test_events_during_a_request_have_its_id(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """Each event during a request has its id, so the traceback of a masked error can be found."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("a bug")

    rest.answer = fail

    response = await gateway.post(QUERY, headers={**CREDENTIALS, "X-Request-ID": "mine"})

    error_id = response.json()["errors"][0]["extensions"]["errorId"]
    bug, request = log.events
    assert error_id in bug["event"]
    assert "RuntimeError: a bug" in bug["exception"]
    assert bug["request_id"] == request["request_id"] == "mine"
    assert "Basic" not in json.dumps(bug)


async def test_the_client_is_logged_as_in_the_metrics(gateway: Gateway, log: Log) -> None:
    """The client's name is logged for accepted callers only, and only if it cannot be data."""
    for name, credentials in (("web", {}), ("web", CREDENTIALS), ("Kari Nordmann", CREDENTIALS)):
        client = {"apollographql-client-name": name, "apollographql-client-version": "1.2"}
        await gateway.post(QUERY, headers={**credentials, **client})
    await gateway.post(QUERY)

    assert [(e.get("client_name"), e.get("client_version")) for e in log.events] == [
        ("other", ""),
        ("web", "1.2"),
        ("other", ""),
        (None, None),
    ]
