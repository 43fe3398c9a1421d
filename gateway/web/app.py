"""The whole gateway, wired by hand: every object it is made of, every route, every middleware."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette_compress import CompressMiddleware, add_compress_type
from strawberry.extensions import SchemaExtension

from gateway.cache.memory import BoundedMemoryCache
from gateway.caller import CallerPolicy
from gateway.errors import BadRequestError, SettingsError
from gateway.observe.metrics import RequestMeter, UpstreamMeter
from gateway.observe.operations import OperationNames
from gateway.observe.sharing import SharedMetrics
from gateway.records.decode import decoder
from gateway.schema.build import Schema, SchemaOptions, build_schema, sdl
from gateway.schema.chat import ChatSession
from gateway.schema.entity import record_of
from gateway.schema.limits import Limits
from gateway.settings import Settings
from gateway.source import Source
from gateway.upstream.client import UpstreamClient
from gateway.upstream.reach import Reachability
from gateway.web.accept import GRAPHQL_JSON
from gateway.web.browsers import SecurityHeaders
from gateway.web.caching import OneVary
from gateway.web.etag import ETags
from gateway.web.graphql import GraphQLView, ViewOptions
from gateway.web.metrics import metrics_of
from gateway.web.ops import Check, healthz, metrics, readyz
from gateway.web.persisted import Documents, names_in, read_manifest
from gateway.web.query_page import static_files
from gateway.web.ready import KeptAnswers, ReadyAnswers
from gateway.web.request import RequestLimits, RequestReader
from gateway.web.request_log import RequestBook, RequestLog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from gateway.web.tracing import Tracing

__all__ = ["create_app"]

_GRAPHQL = "/graphql"
_SMALLEST_COMPRESSED = 1_000
_PERSISTED_QUERIES_BYTES = 16 * 2**20
_REQUEST_HEADERS = (
    "Apollo-Require-Preflight",
    "Apollographql-Client-Name",
    "Apollographql-Client-Version",
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "If-None-Match",
    "SO-AppToken",
    "SO-Culture",
    "SO-Language",
    "SO-TimeZone",
    "X-Apollo-Operation-Name",
    "X-Request-ID",
    "X-XSRF-TOKEN",
    "traceparent",
    "tracestate",
)
_EXPOSED_HEADERS = (
    "Age",
    "Cache-Status",
    "ETag",
    "Retry-After",
    "Server-Timing",
    "WWW-Authenticate",
    "X-Request-ID",
)

# Compressed like application/json, which the library knows by itself.
add_compress_type(GRAPHQL_JSON)


def create_app(
    settings: Settings,
    *,
    upstream_transport: httpx.AsyncBaseTransport | None = None,
    demo_users: Sequence[tuple[str, str]] = (),
    metrics_directory: Path | None = None,
    tracer_provider: "TracerProvider | None" = None,
) -> Starlette:
    """Build the ASGI application.

    Args:
        settings: how it behaves.
        upstream_transport: stands in for the network in tests.
        demo_users: names, and the Authorization of each, that the query page offers to everybody.
        metrics_directory: where the processes of one gateway tell each other what they count.
        tracer_provider: stands in for the exporter of traces in tests.

    Raises:
        SettingsError: a file that the settings name cannot be read, or a field does not exist.
    """
    upstream = UpstreamClient(
        url=settings.upstream_url,
        connect_timeout_s=settings.upstream_connect_timeout,
        timeout_s=settings.upstream_timeout,
        connections=settings.upstream_connections,
        max_bytes=settings.max_upstream_bytes,
        transport=upstream_transport,
    )
    manifest = _manifest(settings)
    names = OperationNames(names_in(manifest.values()) if manifest else None)
    tracing = _tracing(names, tracer_provider) if settings.tracing else None
    requests_meter, upstream_meter = RequestMeter(), UpstreamMeter()
    fetch = upstream_meter.around(upstream.fetch)
    cache = BoundedMemoryCache(max_bytes=settings.cache_max_bytes)
    source = Source(
        fetch=tracing.fetch(fetch, settings.upstream_url) if tracing else fetch,
        decode=decoder(record_of(ChatSession)),
        cache=tracing.cache(cache) if tracing else cache,
        upstream_url=settings.upstream_url,
        ttl_s=settings.cache_ttl,
        time_zone=settings.zone,
        secret=settings.cache_secret.get_secret_value().encode(),
    )
    policy = _caller_policy(settings)
    extensions = (tracing.operations,) if tracing else ()
    schema = build_schema(_schema_options(settings, manifest, extensions))
    book = RequestBook(requests_meter)
    view = GraphQLView(
        schema=schema,
        source=source,
        policy=policy,
        reader=_reader(settings, manifest),
        names=names,
        book=book,
        options=ViewOptions(
            has_query_page=settings.graphiql,
            demo_users=tuple(demo_users),
            allowed_origins=settings.allowed_origins,
            heeds_cache_control=settings.client_cache_control,
            timeout_s=settings.request_timeout,
        ),
    )

    ready = _ready_answers(settings, source, policy, book)
    collector: Collector = metrics_of(
        requests=requests_meter, upstream=upstream_meter, source=source, cache=cache
    )
    background: list[Callable[[], Coroutine[Any, Any, None]]] = []
    checks: dict[str, Check] = {}
    if metrics_directory is not None:
        collector = shared = SharedMetrics(metrics_directory, collector)
        background.append(shared.keep_writing)
    if settings.ready_check:
        reachability = Reachability(
            url=settings.upstream_url,
            interval_s=settings.ready_check,
            connect_timeout_s=settings.upstream_connect_timeout,
        )
        checks["rest"] = reachability.problem
        background.append(reachability.keep_looking)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if tracing:
            tracing.open()
        tasks = [asyncio.create_task(run()) for run in background]
        app.state.is_ready = True
        yield
        app.state.is_ready = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await source.flights.cancel()
        await upstream.aclose()
        if tracing:
            await tracing.aclose()

    app = Starlette(
        routes=[
            Route(_GRAPHQL, view),
            WebSocketRoute(_GRAPHQL, view),
            Route("/schema.graphql", _schema_text(schema)),
            Route("/healthz", healthz),
            Route("/readyz", readyz(checks)),
            *([] if settings.metrics_port is not None else [Route("/metrics", metrics(collector))]),
            static_files(),
        ],
        # From the outside in.
        middleware=[
            Middleware(RequestLog, book=book),
            *([tracing.requests(_GRAPHQL)] if tracing else []),
            *([Middleware(KeptAnswers, ready=ready)] if ready else []),
            Middleware(SecurityHeaders),
            *_cors(settings.allowed_origins),
            Middleware(ETags),
            Middleware(OneVary),
            Middleware(CompressMiddleware, minimum_size=_SMALLEST_COMPRESSED),
        ],
        exception_handlers={HTTPException: _no_such_thing},
        lifespan=lifespan,
    )
    # Past the application there would be no trace.
    app.state.ready = None if tracing else ready
    # It would redirect to whatever host the request names.
    app.router.redirect_slashes = False
    return app


async def _no_such_thing(request: Request, exc: Exception) -> Response:
    """Answer what no route does in the form that all of our errors have."""
    assert isinstance(exc, HTTPException)  # noqa: S101  called for these only
    error = {"message": exc.detail, "extensions": {"code": BadRequestError.code}}
    return JSONResponse({"errors": [error]}, exc.status_code, exc.headers)


def _caller_policy(settings: Settings) -> CallerPolicy:
    app_token = settings.app_token.get_secret_value().encode() if settings.app_token else None
    return CallerPolicy(app_token, settings.forward_cookie_names)


def _tracing(names: OperationNames, provider: "TracerProvider | None") -> "Tracing":
    try:
        from gateway.web.tracing import Tracing  # with all of OpenTelemetry
    except ImportError as exc:
        raise SettingsError(
            "GATEWAY_TRACING=on: OpenTelemetry is not installed; "
            "pip install 'superoffice-chat-gateway[tracing]'"
        ) from exc
    return Tracing(names, provider)


def _manifest(settings: Settings) -> dict[str, str]:
    if settings.trusted_documents:
        return read_manifest(settings.trusted_documents)
    if settings.trusted_documents_only:
        raise SettingsError(
            "GATEWAY_TRUSTED_DOCUMENTS_ONLY=on: there are none; set GATEWAY_TRUSTED_DOCUMENTS, for "
            "example GATEWAY_TRUSTED_DOCUMENTS=persisted-documents.json"
        )
    return {}


def _schema_options(
    settings: Settings,
    manifest: Mapping[str, str],
    extensions: tuple[Callable[[], SchemaExtension], ...],
) -> SchemaOptions:
    return SchemaOptions(
        extensions=extensions,
        hidden=settings.hidden_field_names,
        introspection=settings.introspection,
        suggestions=settings.suggestions,
        trusted=frozenset(manifest.values()) if settings.trusted_documents_only else None,
        limits=Limits(
            characters=settings.max_characters,
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            repeats=settings.max_repeats,
            cost=settings.max_cost,
        ),
    )


def _reader(settings: Settings, manifest: Mapping[str, str]) -> RequestReader:
    limits = RequestLimits(
        body_bytes=settings.max_body_bytes,
        batch=settings.max_batch,
        variables_bytes=settings.max_variables_bytes,
        variables_depth=settings.max_variables_depth,
    )
    keeps_queries = settings.persisted_queries and not settings.trusted_documents_only
    cache = BoundedMemoryCache(max_bytes=_PERSISTED_QUERIES_BYTES) if keeps_queries else None
    return RequestReader(limits, Documents(cache, manifest))


def _schema_text(schema: Schema) -> Callable[[Request], Awaitable[Response]]:
    text = sdl(schema)

    async def schema_text(request: Request) -> Response:
        return PlainTextResponse(text, headers={"Cache-Control": "no-cache"})

    return schema_text


def _ready_answers(
    settings: Settings, source: Source, policy: CallerPolicy, book: RequestBook
) -> ReadyAnswers | None:
    if not settings.cache_ttl:
        return None
    return ReadyAnswers(
        path=_GRAPHQL,
        source=source,
        policy=policy,
        book=book,
        heeds_cache_control=settings.client_cache_control,
    )


def _cors(origins: Collection[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            # With `*`, any page could read what a visitor's cookies open.
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST"],
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
            max_age=600,
        )
    ]
