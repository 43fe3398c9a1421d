"""Traces: the spans, their parents, and a gateway without the packages for them."""

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from websockets import Subprotocol
from websockets.sync.client import connect

from gateway import Settings, create_app
from gateway.caller import Caller
from gateway.errors import SettingsError
from gateway.observe import tracing
from gateway.observe.operations import OperationNames
from tests.observe.logged import logged
from tests.observe.traces import traces_in_memory
from tests.support import CREDENTIALS, UPSTREAM_URL, Gateway, RestSide, gateway_over, served
from tests.waiting import until_soon
from tests.web.asking import post_json

QUERY = "query Queue { chatSessions { chatSessionId } }"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "congo=t61rcWkgMzE"}


class Traced:
    """A gateway with tracing on, and its finished spans."""

    def __init__(self, gateway: Gateway, exporter: InMemorySpanExporter) -> None:
        self.gateway = gateway
        self.exporter = exporter

    async def post(self, query: str, headers: Mapping[str, str] = CREDENTIALS) -> httpx.Response:
        """Send a query."""
        return await self.gateway.post(query, headers=headers)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The last finished span of each name."""
        return finished_spans(self.exporter)


def finished_spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the last finished span of each name."""
    return {span.name: span for span in exporter.get_finished_spans()}


@contextlib.asynccontextmanager
async def traced_over(rest: RestSide, **settings: Any) -> AsyncIterator[Traced]:
    """Run a gateway over a fake REST API, with its traces in memory."""
    with traces_in_memory() as exporter:
        options = {"upstream_url": f"{UPSTREAM_URL}:8443/crm", "tracing": True, **settings}
        async with gateway_over(rest, **options) as gateway:
            yield Traced(gateway, exporter)


@pytest.fixture
async def traced(rest: RestSide) -> AsyncIterator[Traced]:
    """Return a gateway with its traces in memory."""
    async with traced_over(rest) as running:
        yield running


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def parent(span: ReadableSpan) -> int | None:
    """Return the id of a span's parent."""
    return span.parent.span_id if span.parent else None


def ids(span: ReadableSpan) -> tuple[int, int]:
    """Return the ids of a span's trace and of the span itself."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def span_id(span: ReadableSpan) -> int:
    """Return a span's own id."""
    return ids(span)[1]


async def test_a_request_has_spans_down_to_its_rest_call(traced: Traced) -> None:
    """The operation is within the request; lookups and calls are within the operation."""
    await traced.post(QUERY)

    await traced.post(QUERY, {**CREDENTIALS, "Authorization": "Basic Ym9iOmJvYg=="})

    spans = traced.spans
    assert set(spans) == {"POST /graphql", "query other", "query Queue", "cache get", "GET"}
    assert attributes(spans["POST /graphql"]) == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "url.scheme": "http",
        "http.response.status_code": 200,
    }
    assert attributes(spans["query Queue"]) == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Queue",
    }
    assert attributes(spans["cache get"]) == {"gateway.cache.found": False}
    assert attributes(spans["GET"]) == {
        "http.request.method": "GET",
        "server.address": "rest.invalid",
        "server.port": 8443,
        "http.response.status_code": 200,
        "http.response.body.size": 80,
    }
    assert (spans["POST /graphql"].kind, spans["GET"].kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert parent(spans["POST /graphql"]) is None
    assert parent(spans["query Queue"]) == span_id(spans["POST /graphql"])
    assert parent(spans["cache get"]) == parent(spans["GET"]) == span_id(spans["query Queue"])


async def test_the_trace_of_the_client_is_passed_on(traced: Traced, rest: RestSide) -> None:
    """SuperOffice gets the span of its own call, in the trace of the client."""
    await traced.post(QUERY, {**CREDENTIALS, **TRACEPARENT, "baggage": "customer=Ada"})

    call = traced.spans["GET"]
    sent = rest.requests[0].headers
    assert sent.get_list("traceparent") == [f"00-{TRACE}-{span_id(call):016x}-01"]
    assert sent.get_list("tracestate") == [TRACEPARENT["tracestate"]]
    assert "baggage" not in sent
    assert parent(traced.spans["POST /graphql"]) == int(PARENT, 16)
    assert {ids(span)[0] for span in traced.spans.values()} == {int(TRACE, 16)}


async def test_a_trace_starts_if_the_client_has_none(traced: Traced, rest: RestSide) -> None:
    """SuperOffice gets the new trace too."""
    await traced.post(QUERY)

    trace_id, _ = ids(traced.spans["POST /graphql"])
    assert rest.requests[0].headers["traceparent"].split("-")[1] == f"{trace_id:032x}"


@pytest.mark.parametrize("state", ["Authorization: hunter2", "vendor=hunter2=b", "hunter2"])
async def test_an_invalid_trace_state_is_logged_without_its_text(
    traced: Traced, state: str
) -> None:
    """OpenTelemetry would quote it, and any client can send it."""
    with logged() as log:
        await traced.post(QUERY, {**CREDENTIALS, **TRACEPARENT, "tracestate": state})

    assert "w3c identifiers" in str(log.events)
    assert "hunter2" not in str(log.events)


async def test_log_lines_name_their_trace(traced: Traced) -> None:
    """A trace id in the log leads from one to the other."""
    with logged() as log:
        await traced.post(QUERY, {**CREDENTIALS, **TRACEPARENT})

    assert [event["trace_id"] for event in log.events] == [TRACE]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "UNAUTHENTICATED", {"http.response.status_code": 401}),
        (500, "UPSTREAM_ERROR", {"http.response.status_code": 500}),
        (0, "UPSTREAM_UNAVAILABLE", {}),
    ],
)
async def test_a_failed_span_has_a_code(
    traced: Traced, rest: RestSide, status: int, code: str, expected: dict[str, Any]
) -> None:
    """The call and the operation have the code, but no message and no traceback."""

    def fail(request: httpx.Request) -> httpx.Response:
        if status:
            return httpx.Response(status)
        raise httpx.ConnectError("no route to 10.0.0.1")

    rest.answer = fail
    await traced.post(QUERY)

    spans = traced.spans
    assert attributes(spans["GET"]).items() >= {"error.type": code, **expected}.items()
    assert attributes(spans["query other"])["error.type"] == code
    for span in spans.values():
        assert not span.events
        assert not span.status.description
    assert [spans[name].status.is_ok for name in ("GET", "query other")] == [False, False]


@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ("{", "GraphQL", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "query", "GRAPHQL_VALIDATION_FAILED"),
        (
            "query A { __typename } query B { __typename }",
            "GraphQL",
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ],
)
async def test_an_operation_that_is_not_run_has_a_span(
    traced: Traced, query: str, name: str, code: str
) -> None:
    """The name of the span has the kind of the operation if it is known."""
    await traced.post(query)

    assert attributes(traced.spans[name])["error.type"] == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription A($n: Int!) { chatSessions(limit: $n) { id } }", "BAD_USER_INPUT"),
    ],
)
def test_a_subscription_that_is_not_run_has_a_span(rest: RestSide, query: str, code: str) -> None:
    """Its socket reads no further than the refusal."""
    settings = Settings(upstream_url=UPSTREAM_URL, tracing=True)
    payload = {"query": query}
    with (
        traces_in_memory() as exporter,
        served(create_app(settings, upstream_transport=httpx.MockTransport(rest))) as url,
    ):
        address = f"{url.replace('http', 'ws')}/graphql"
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            socket.send(json.dumps({"type": "connection_init", "payload": CREDENTIALS}))
            socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            socket.recv(10)
            assert json.loads(socket.recv(10))["type"] == "error"
        until_soon(
            lambda: any(name.startswith("subscription") for name in finished_spans(exporter))
        )

    (span,) = [s for name, s in finished_spans(exporter).items() if name.startswith("subscription")]
    assert attributes(span)["error.type"] == code


async def test_an_operation_that_takes_too_long_has_a_span(rest: RestSide) -> None:
    """The operation is cancelled; the REST call continues for the next request."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    rest.answer = never
    async with traced_over(rest, request_timeout=2) as traced:
        await traced.post(QUERY)

    assert attributes(traced.spans["query other"])["error.type"] == "cancelled"


def test_the_normal_end_of_a_subscription_is_no_error(rest: RestSide) -> None:
    """Polling for other subscribers is not in its trace."""
    body = {"query": "subscription Board { chatSessions { chatSessionId } }"}
    headers = {**CREDENTIALS, "Accept": "text/event-stream"}
    settings = Settings(upstream_url=UPSTREAM_URL, tracing=True)
    with (
        traces_in_memory() as exporter,
        served(create_app(settings, upstream_transport=httpx.MockTransport(rest))) as url,
    ):
        with httpx.stream("POST", f"{url}/graphql", json=body, headers=headers) as response:
            assert "event: next" in next(response.iter_text())
        until_soon(lambda: "subscription Board" in finished_spans(exporter))

    spans = finished_spans(exporter)
    assert "error.type" not in attributes(spans["subscription Board"])
    assert ids(spans["GET"])[0] != ids(spans["subscription Board"])[0]


async def test_a_status_of_500_and_more_is_an_error(rest: RestSide) -> None:
    """A status below 500 is no error of the span (HTTP semantic conventions)."""
    rest.answer = lambda request: httpx.Response(500)
    accept = {**CREDENTIALS, "Accept": "application/graphql-response+json"}
    async with traced_over(rest) as traced:
        await traced.post(QUERY, accept)
        failed = attributes(traced.spans["POST /graphql"])
        await post_json(traced.gateway, 1)
        refused = attributes(traced.spans["POST /graphql"])

    assert (failed["http.response.status_code"], failed["error.type"]) == (502, "502")
    assert refused["http.response.status_code"] == 400
    assert "error.type" not in refused


async def test_an_unknown_method_is_not_recorded(traced: Traced) -> None:
    """A method could be any text."""
    await traced.gateway.http.request("ADA", "/graphql")
    await traced.gateway.http.get("/healthz")
    await traced.gateway.http.get("/Ada")

    assert set(traced.spans) == {"HTTP /graphql"}
    assert attributes(traced.spans["HTTP /graphql"])["http.request.method"] == "_OTHER"


async def test_a_cancelled_rest_call_has_a_span() -> None:
    """Calls are cancelled at shutdown, for example."""

    async def never(*_: Any) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    with traces_in_memory() as exporter:
        traces = tracing.Tracing(OperationNames())
    call = asyncio.ensure_future(
        traces.fetch(never, "https://rest.invalid", "Cust1")(Caller(()), ())
    )
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    (span,) = exporter.get_finished_spans()
    assert attributes(span)["error.type"] == "cancelled"
    assert attributes(span)["server.port"] == 443
    assert attributes(span)["gateway.tenant"] == "Cust1"


async def test_a_cached_answer_has_a_span(traced: Traced) -> None:
    """With tracing on, cached answers go through the application."""
    for _ in range(2):
        await traced.post(QUERY)

    names = [span.name for span in traced.exporter.get_finished_spans()]
    assert names.count("POST /graphql") == 2
    assert names.count("GET") == 1


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "superoffice-chat-gateway"),
        ({"OTEL_SERVICE_NAME": "chat"}, "chat"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=chat"}, "chat"),
    ],
)
async def test_the_environment_configures_the_export(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str
) -> None:
    """The exporter opens with the application; a variable can change the service's name."""
    sent: list[ReadableSpan] = []

    class Exporter(InMemorySpanExporter):
        def export(self, spans: Any) -> Any:
            sent.extend(spans)
            return super().export(spans)

    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(tracing, "OTLPSpanExporter", Exporter)
    async with gateway_over(RestSide(), tracing=True) as gateway:
        await gateway.post("{ __typename }")

    assert {span.name for span in sent} == {"POST /graphql", "query"}
    assert {span.resource.attributes["service.name"] for span in sent} == {name}
    assert all("telemetry.sdk.name" in span.resource.attributes for span in sent)


@pytest.mark.parametrize(("is_up", "dropped"), [(True, 4), (False, 10)])
def test_dropped_spans_are_counted(
    monkeypatch: pytest.MonkeyPatch, is_up: bool, dropped: int
) -> None:
    """Spans are dropped when the queue is full or the collector refuses them."""
    may_send = threading.Event()

    class Exporter(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            may_send.wait()
            return super().export(spans) if is_up else SpanExportResult.FAILURE

    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    queue, provider = tracing.SpanQueue(Exporter()), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    for _ in range(2):
        tracer.start_span("sent first").end()
    until_soon(lambda: queue.sent == 2)  # the exporter has these, and the queue is empty
    for _ in range(8):
        tracer.start_span("queued").end()
    may_send.set()
    provider.shutdown()

    assert queue.dropped == dropped


@pytest.mark.parametrize("value", ["", "many"])
def test_an_unreadable_queue_size_is_ignored(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The SDK uses its default, and logs an unreadable value."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", value)

    assert tracing.SpanQueue(InMemorySpanExporter()).dropped == 0


def test_traces_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command to install them."""
    monkeypatch.setitem(sys.modules, "gateway.observe.tracing", None)

    with pytest.raises(SettingsError, match=r"pip install '\.\[tracing\]'"):
        create_app(Settings(upstream_url=UPSTREAM_URL, tracing=True))
