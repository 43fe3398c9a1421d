"""OpenTelemetry traces; this module is loaded only when they are on.

Requests, GraphQL operations, cache lookups and REST calls have a span each. No span holds a header,
a message, or text of the client or of SuperOffice; a failed one has the error code. Names:
https://opentelemetry.io/docs/specs/semconv/.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import TRACE, Header
from gateway.observe.logs import fields_of_task
from gateway.observe.metrics import outcome_of
from gateway.observe.operations import OperationNames

if TYPE_CHECKING:
    from gateway.caller import Caller
    from gateway.schema.engine import Answer, Operation
    from gateway.sessions.fetching import Fetch
    from gateway.store.memory import BoundedMemoryCache

_Spans = Callable[..., AbstractContextManager[Span]]
"""Starts a span, as `Tracer.start_as_current_span` does."""

_SERVICE = "superoffice-chat-gateway"
_SHUTDOWN_TIMEOUT_S = 2
_MOST_SPANS = 2048  # the default of the SDK
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
# Not the SDK's default formats, which also pass on baggage: that may hold secrets.
_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Wraps the parts of an app so that they are traced.

    After `open` it sends spans to the endpoint of the `OTEL_*` variables, by OTLP over HTTP; close
    it with `aclose`.
    """

    def __init__(self, names: OperationNames) -> None:
        self._names = names
        self._queue: SpanQueue | None = None
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        # An exception's message may hold secrets.
        self._start_span: _Spans = partial(
            self._provider.get_tracer(_SERVICE).start_as_current_span,
            record_exception=False,
            set_status_on_exception=False,
        )

    def open(self) -> None:
        """Start the exporter thread, which commands such as `gateway query` do not need."""
        self._queue = SpanQueue(OTLPSpanExporter())
        self._provider.add_span_processor(self._queue)

    def dropped_spans(self) -> int:
        """Return how many spans this process could not send."""
        return self._queue.dropped if self._queue else 0

    async def aclose(self) -> None:
        """Send the last spans, for two seconds: without a collector, the SDK retries for 30."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, _SHUTDOWN_TIMEOUT_S)

    def requests(self, path: str) -> Middleware:
        """Return the middleware that traces the requests for a path."""
        return Middleware(_TracedRequests, start_span=self._start_span, path=path)

    @contextmanager
    def operation(self, operation: "Operation") -> "Iterator[Callable[[Answer], None]]":
        """Wrap an operation in a span, without its text and variables; its last answer counts."""
        kind, answers = operation.kind, deque["Answer"](maxlen=1)
        with self._start_span("GraphQL") as span:
            try:
                yield answers.append
            except BaseException as exc:
                # A subscription normally ends when its client disconnects.
                if kind != "subscription" or isinstance(exc, Exception):
                    _fail(span, outcome_of(exc))
                raise
            finally:
                errors: Any = answers[0].body.get("errors") if answers else None
                if errors:
                    _fail(span, errors[0]["extensions"]["code"])
                if kind:
                    # Only now: its first answer can make it known.
                    label = self._names.label(operation.name)
                    span.update_name(f"{kind} {label}".strip())
                    span.set_attribute("graphql.operation.type", kind)
                    span.set_attribute("graphql.operation.name", label)

    def trace_lookups(self, cache: "BoundedMemoryCache") -> None:
        """Wrap each lookup in a cache in a span."""
        get = cache.get

        async def traced(key: str) -> object:
            with self._start_span("cache get") as span:
                value = await get(key)
                span.set_attribute("gateway.cache.found", value is not None)
                return value

        cache.get = traced  # type: ignore[method-assign]

    def fetch(self, fetch: "Fetch", upstream_url: str, tenant: str) -> "Fetch":
        """Return `fetch` with a span for each REST call, whose headers continue the trace."""
        url = httpx.URL(upstream_url)
        attributes: dict[str, str | int] = {
            "http.request.method": "GET",
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            **({"gateway.tenant": tenant} if tenant else {}),
        }

        async def traced(caller: "Caller", trace: Sequence[Header]) -> bytes:
            with self._start_span("GET", kind=SpanKind.CLIENT, attributes=attributes) as span:
                own: dict[str, str] = {}
                _W3C.inject(own)
                sent = [header for header in trace if header[0] not in TRACE]
                sent += [(name.encode(), value.encode()) for name, value in own.items()]
                try:
                    body = await fetch(caller, sent)
                except BaseException as exc:
                    _fail(span, outcome_of(exc))
                    status = getattr(exc, "extensions", {}).get("upstreamStatus")
                    if status is not None:
                        span.set_attribute("http.response.status_code", status)
                    raise
                span.set_attribute("http.response.status_code", 200)
                span.set_attribute("http.response.body.size", len(body))
                return body

        return traced


class SpanQueue(BatchSpanProcessor):
    """Sends spans in batches; counts those dropped from a full queue, and those not accepted."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._most = _MOST_SPANS
        with suppress(KeyError, ValueError):
            self._most = int(os.environ["OTEL_BSP_MAX_QUEUE_SIZE"])
        self.sent = self._added = self._lost = self._failed = 0
        export = exporter.export

        def counted(spans: Sequence[ReadableSpan]) -> SpanExportResult:
            self.sent += len(spans)
            result = SpanExportResult.FAILURE
            try:
                result = export(spans)
            finally:
                self._failed += len(spans) if result is SpanExportResult.FAILURE else 0
            return result

        exporter.export = counted  # type: ignore[method-assign]
        super().__init__(exporter, max_queue_size=self._most)

    @property
    def dropped(self) -> int:
        """The number of spans that were dropped."""
        return self._lost + self._failed  # two counters, as different threads write them

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; a full queue drops its oldest span."""
        is_full = self._added - self._lost - self.sent >= self._most
        self._lost += is_full
        self._added += 1
        super().on_end(span)


def _resource() -> Resource:
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES may replace the name.
    named = Resource.create().merge(Resource({"service.name": _SERVICE}))
    return named.merge(OTELResourceDetector().detect())


@dataclass(slots=True)
class _TracedRequests:
    """Wraps each request for `path` in a span, which continues the client's trace, if any."""

    app: ASGIApp
    start_span: _Spans
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app within the span of the request."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{self.path}/"):
            await self.app(scope, receive, send)
            return
        route = self.path if scope["path"] == self.path else f"{self.path}/{{tenant}}"
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "url.scheme": scope["scheme"],
        }
        name = f"{'HTTP' if method == '_OTHER' else method} {route}"
        context = _W3C.extract(Headers(scope=scope))
        with self.start_span(
            name, context=context, kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            fields_of_task.set({**fields_of_task.get(), "trace_id": trace_id})

            async def send_traced(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        _fail(span, str(message["status"]))
                await send(message)

            await self.app(scope, receive, send_traced)


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)
