"""Traces of OpenTelemetry; nothing here is loaded, or in any request's way, unless they are on.

A span for the request, one for each GraphQL operation, one for each look into the cache and one for
each REST call. None of them holds a header, a text of the client's or of REST's, or a message: what
failed is told by its code. Names: https://opentelemetry.io/docs/specs/semconv/.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import structlog
from graphql import OperationType, get_operation_ast
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionContext

from gateway.errors import GatewayError, OperationResolutionError
from gateway.headers import Header
from gateway.observe.metrics import outcome_of
from gateway.observe.operations import OperationNames

if TYPE_CHECKING:
    from gateway.sessions.source import Cache, Fetch

__all__ = ["Tracing"]

_SERVICE = "superoffice-chat-gateway"
_PATIENCE_S = 2
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
# Not the SDK's own choice of formats: baggage, which may hold anything, goes nowhere.
_W3C = TraceContextTextMapPropagator()
_OF_A_TRACE = frozenset({b"traceparent", b"tracestate"})


class Tracing:
    """What an app puts around its parts, so that they are traced.

    Spans go where the `OTEL_*` variables say, by OTLP over HTTP, once it is opened; close it with
    `aclose`. A `provider` stands in for that in tests.
    """

    def __init__(self, names: OperationNames, provider: TracerProvider | None = None) -> None:
        self._names = names
        self._exports = provider is None
        self._provider = provider or TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer(_SERVICE)

    def open(self) -> None:
        """Begin to export: with a thread, which a process that only looks does not need."""
        if self._exports:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    async def aclose(self) -> None:
        """Send what is left, unless nobody takes it: the SDK would try for half a minute."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, _PATIENCE_S)

    def requests(self, path: str) -> Middleware:
        """Return the middleware for the requests for a path."""
        return Middleware(_TracedRequests, tracer=self._tracer, path=path)

    def operations(self) -> SchemaExtension:
        """Return the extension for an operation."""
        return _TracedOperation(self._tracer, self._names)

    def cache(self, cache: "Cache") -> "Cache":
        """Return the cache, traced."""
        return _TracedCache(cache, self._tracer)

    def fetch(self, fetch: "Fetch", upstream_url: str) -> "Fetch":
        """Return `fetch`, traced."""
        return _traced_fetch(fetch, self._tracer, httpx.URL(upstream_url))


def _resource() -> Resource:
    # With a name of ours, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES have one.
    named = Resource.create().merge(Resource({"service.name": _SERVICE}))
    return named.merge(OTELResourceDetector().detect())


class _Headers(Getter[Sequence[Header]]):
    def get(self, carrier: Sequence[Header], key: str) -> list[str]:
        name = key.encode()
        return [value.decode("latin-1") for known, value in carrier if known == name]

    def keys(self, carrier: Sequence[Header]) -> list[str]:  # pragma: no cover - W3C asks by name
        return [name.decode("latin-1") for name, _ in carrier]


class _TracedRequests:
    """Gives each request for `path` a span, in the trace that the client has begun, if it has."""

    def __init__(self, app: ASGIApp, *, tracer: Tracer, path: str) -> None:
        self.app = app
        self._tracer = tracer
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within its span."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{self._path}/"):
            await self.app(scope, receive, send)
            return
        route = self._path if scope["path"] == self._path else f"{self._path}/{{tenant}}"
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "url.scheme": scope["scheme"],
        }
        with self._tracer.start_as_current_span(
            f"{'HTTP' if method == '_OTHER' else method} {route}",
            context=_W3C.extract(scope["headers"], getter=_Headers()),
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            structlog.contextvars.bind_contextvars(trace_id=trace_id)

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        _fail(span, str(message["status"]))
                await send(message)

            await self.app(scope, receive, send_noted)


class _TracedOperation(SchemaExtension):
    """Gives a GraphQL operation a span; its text and its variables stay out of it."""

    def __init__(self, tracer: Tracer, names: OperationNames) -> None:
        self._tracer = tracer
        self._names = names

    def on_operation(self) -> Iterator[None]:
        """Make the span, and complete it when there is a result."""
        context: ExecutionContext = self.execution_context
        with self._tracer.start_as_current_span(
            "GraphQL", record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except (CannotGetOperationTypeError, InvalidOperationTypeError):
                _fail(span, OperationResolutionError.code)
                raise
            except BaseException as exc:
                # A subscription has no other end than that its client leaves.
                if self._name(span, context) != OperationType.SUBSCRIPTION or isinstance(
                    exc, Exception
                ):
                    _fail(span, outcome_of(exc))
                raise
            self._name(span, context)
            errors = context.pre_execution_errors or getattr(context.result, "errors", None)
            if errors:
                _fail(span, (errors[0].extensions or {}).get("code", GatewayError.code))

    def _name(self, span: Span, context: ExecutionContext) -> OperationType | None:
        """Name the span after the operation, and return what kind of one it is."""
        document = context.graphql_document
        chosen = context._provided_operation_name
        operation = get_operation_ast(document, chosen) if document else None
        if operation is None:
            return None
        kind = operation.operation.value
        name = self._names.told(operation.name.value if operation.name else "")
        span.update_name(f"{kind} {name}".strip())
        span.set_attributes({"graphql.operation.type": kind, "graphql.operation.name": name})
        return operation.operation


class _TracedCache:
    """Gives each look into a cache a span."""

    def __init__(self, cache: "Cache", tracer: Tracer) -> None:
        self._cache = cache
        self._tracer = tracer
        self.peek, self.set, self.delete = cache.peek, cache.set, cache.delete

    async def get(self, key: str) -> Any:
        """Return the value, or None."""
        with self._tracer.start_as_current_span("cache get", record_exception=False) as span:
            value = await self._cache.get(key)
            span.set_attribute("gateway.cache.found", value is not None)
            return value


def _traced_fetch(fetch: "Fetch", tracer: Tracer, url: httpx.URL) -> "Fetch":
    """Give each REST call a span, and the call the trace that it is in."""
    attributes: dict[str, str | int] = {
        "http.request.method": "GET",
        "server.address": url.host,
        "server.port": url.port or (443 if url.scheme == "https" else 80),
    }

    async def traced(headers: Sequence[Header]) -> bytes:
        with tracer.start_as_current_span(
            "GET",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            own: dict[str, str] = {}
            _W3C.inject(own)
            kept = [header for header in headers if header[0] not in _OF_A_TRACE]
            kept += [(name.encode(), value.encode()) for name, value in own.items()]
            try:
                body = await fetch(kept)
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


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)
