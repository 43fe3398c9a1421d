"""One id and one log line for each request, and no secrets in either."""

import json
from collections.abc import Iterator

import httpx
import pytest

from gateway.web.access_record import AccessRecord
from tests.observe.logged import Log, logged
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.page import post

QUERY = "{ chatSessions { chatSessionId } }"


@pytest.fixture
def log() -> Iterator[Log]:
    """Return the log of a process in JSON."""
    with logged() as log:
        yield log


@pytest.mark.parametrize("sent", ["abc", "a-1_2.3:4/5+6=7@8", "x" * 128])
async def test_the_clients_id_is_used(
    gateway: Gateway, rest: RestSide, log: Log, sent: str
) -> None:
    """It comes back, goes to REST, and stands in the log."""
    response = await gateway.post(QUERY, headers={**CREDENTIALS, "X-Request-ID": sent})

    assert response.headers["x-request-id"] == sent
    assert rest.requests[0].headers["x-request-id"] == sent
    assert [event["request_id"] for event in log.events] == [sent]


async def test_an_id_is_made_where_there_is_none(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """Every answer has one, and REST sees the same."""
    response = await gateway.post(QUERY)

    made = response.headers["x-request-id"]
    assert len(made) == 16
    assert rest.requests[0].headers["x-request-id"] == made
    assert [event["request_id"] for event in log.events] == [made]


async def test_every_request_has_an_id_of_its_own(gateway: Gateway) -> None:
    """Two that are made are never the same."""
    made = {(await gateway.http.get("/healthz")).headers["x-request-id"] for _ in range(5)}

    assert len(made) == 5


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
)
async def test_an_odd_id_is_replaced(gateway: Gateway, rest: RestSide, sent: list[bytes]) -> None:
    """Nothing goes to logs and to REST that could be taken for something else there."""
    headers: list[tuple[bytes, bytes]] = [(b"X-Request-ID", value) for value in sent]
    headers += [(name.encode(), value.encode()) for name, value in CREDENTIALS.items()]

    response = await gateway.http.post("/graphql", json={"query": QUERY}, headers=headers)

    made = response.headers["x-request-id"]
    assert len(made) == 16
    assert rest.requests[0].headers.get_list("x-request-id") == [made]


async def test_a_trace_goes_on_to_rest(gateway: Gateway, rest: RestSide) -> None:
    """`traceparent` and `tracestate` are passed on as they are (W3C Trace Context)."""
    trace = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "congo=t61rcWkgMzE",
    }

    await gateway.post(QUERY, headers={**CREDENTIALS, **trace})

    assert trace.items() <= dict(rest.requests[0].headers).items()


@pytest.mark.parametrize("odd", [b"\xff\xfe", "é".encode(), b"", b"a\x1bb", b"x" * 513])
async def test_what_no_trace_can_say_is_not_passed_on(
    gateway: Gateway, rest: RestSide, odd: bytes
) -> None:
    """The call does not fail for it: others share it."""
    sent = {**CREDENTIALS, "tracestate": "x" * 512}
    headers = [(name.encode(), value.encode()) for name, value in sent.items()]

    response = await gateway.http.post(
        "/graphql", json={"query": QUERY}, headers=[*headers, (b"traceparent", odd)]
    )

    assert response.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}
    assert "traceparent" not in rest.requests[0].headers
    assert rest.requests[0].headers["tracestate"] == "x" * 512


async def test_no_trace_is_made_up(gateway: Gateway, rest: RestSide) -> None:
    """A client without a trace starts none at REST."""
    await gateway.post(QUERY)

    assert not {"traceparent", "tracestate"} & set(rest.requests[0].headers)


async def test_a_request_is_one_line(gateway: Gateway, log: Log) -> None:
    """Method, path, status and time say what there is to say."""
    await gateway.post(QUERY)

    (event,) = log.events
    assert (event["event"], event["level"]) == ("request", "info")
    assert (event["method"], event["path"], event["status"]) == ("POST", "/graphql", 200)
    assert event["duration_ms"] >= 0


@pytest.mark.parametrize("path", ["/%1B%5D0;owned%07", "/" + "%41" * 20_000, "/graphql/hunter2"])
async def test_an_unknown_path_is_logged_without_its_text(
    gateway: Gateway, log: Log, path: str
) -> None:
    """A token or an address that is typed into one does not stay in the log."""
    await gateway.http.get(path)
    await gateway.http.get("/schema.graphql")

    assert [event["path"] for event in log.events] == ["(unknown)", "/schema.graphql"]


async def test_a_tenant_that_is_none_is_not_logged(rest: RestSide, log: Log) -> None:
    """Whatever is wrong with the request besides; one that is served is."""
    async with gateway_over(rest, upstream_url=None, environment="sod") as gateway:
        await gateway.http.put("/graphql/hunter2")
        await gateway.http.put("/graphql/Cust1")

    assert [event["path"] for event in log.events] == ["(unknown)", "/graphql/Cust1"]


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
    """They come every few seconds for good."""
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
async def test_the_address_of_a_client_is_that_of_a_trusted_proxy(
    rest: RestSide, log: Log, trusted: str, sent: str | None, client: str | None
) -> None:
    """Only addresses are logged; nobody else's header counts, and unset there is none."""
    headers = CREDENTIALS if sent is None else {**CREDENTIALS, "X-Forwarded-For": sent}
    async with gateway_over(rest, trusted_proxies=trusted) as gateway:
        await gateway.post(QUERY, headers=headers)

    assert log.events[-1].get("client") == client


async def test_a_line_tells_what_came_of_an_operation(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """Its name, its outcome, how the snapshot was come by, and REST's time where it was asked."""
    for _ in range(2):
        await gateway.post("query Queue { chatSessions { chatSessionId } }")

    first, second = log.events
    for event, cache in ((first, "miss"), (second, "hit")):
        assert (event["operation"], event["outcome"], event["cache"]) == ("Queue", "ok", cache)
    assert first["upstream_ms"] >= 0
    assert "upstream_ms" not in second


@pytest.mark.parametrize("cache_ttl", [0, 5])
async def test_a_line_tells_callers_apart_without_naming_them(
    rest: RestSide, log: Log, cache_ttl: float
) -> None:
    """By the start of a keyed digest, which finds nothing in the cache."""
    others = {"Authorization": "Bearer other"}
    async with gateway_over(rest, cache_ttl=cache_ttl) as gateway:
        for headers in (CREDENTIALS, CREDENTIALS, others):
            await gateway.post(QUERY, headers=headers)
        rest.answer = lambda request: httpx.Response(500)
        await post(gateway, QUERY, {**others, "Cache-Control": "no-cache"})

    callers = [event["caller"] for event in log.events if event["event"] == "request"]
    assert callers[0] == callers[1] != callers[2] == callers[3]
    assert {len(caller) for caller in callers} == {12}


async def test_a_line_tells_the_code_of_a_failure(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """The first one's."""
    rest.answer = lambda request: httpx.Response(429)

    await post(gateway, QUERY, CREDENTIALS)

    assert log.events[-1]["outcome"] == "RATE_LIMITED"
    assert "cache" not in log.events[-1]


async def test_what_is_no_graphql_has_no_outcome(gateway: Gateway, log: Log) -> None:
    """Its status says it all."""
    await gateway.http.get("/schema.graphql")

    assert not {"operation", "outcome", "cache", "caller"} & log.events[0].keys()


async def test_the_status_is_what_was_sent(gateway: Gateway, log: Log) -> None:
    """Refusals and unknown paths are logged like any other."""
    await gateway.http.get("/nowhere")
    await gateway.http.put("/graphql")

    assert [event["status"] for event in log.events] == [404, 405]


async def test_a_line_holds_neither_query_string_nor_credentials(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """What customers and callers send stays out of the log, whatever comes of the request."""
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
    await post(gateway, QUERY, {**headers, "SO-Language": "hunter2"})

    assert len(log.events) == 4  # one of them about the failure of REST
    assert "hunter2" not in log.getvalue()


async def test_what_is_logged_meanwhile_has_the_requests_id(
    gateway: Gateway, rest: RestSide, log: Log
) -> None:
    """The story of a masked error can be found by its id, and belongs to its request."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("a bug")

    rest.answer = fail

    response = await post(gateway, QUERY, {**CREDENTIALS, "X-Request-ID": "mine"})

    error_id = response.json()["errors"][0]["extensions"]["errorId"]
    bug, request = log.events
    assert error_id in bug["event"]
    assert "RuntimeError: a bug" in bug["exception"]
    assert bug["request_id"] == request["request_id"] == "mine"
    assert "Basic" not in json.dumps(bug)


async def test_the_client_is_logged_as_metrics_have_it(gateway: Gateway, log: Log) -> None:
    """Once SuperOffice has accepted a caller of it, and without what may be data."""
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
