"""The whole gateway, wired by hand: every object it is made of, every route, every middleware."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from functools import partial
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
from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type
from strawberry.extensions import SchemaExtension

from gateway.cache.flights import Flights
from gateway.cache.lately import Lately
from gateway.cache.lookups import Lookups
from gateway.cache.memory import BoundedMemoryCache
from gateway.cache.redis import RedisCache
from gateway.cache.shared import SharedCache
from gateway.caller import CallerPolicy
from gateway.errors import BadRequestError, SettingsError
from gateway.live.bus import Bus, LocalBus
from gateway.live.changes import Comparison
from gateway.live.newsroom import Newsroom
from gateway.live.pace import Rhythm
from gateway.live.redis_bus import RedisBus
from gateway.live.watcher import Watchers
from gateway.observe.metrics import RequestMeter, UpstreamMeter
from gateway.observe.operations import OperationNames
from gateway.observe.sharing import SharedMetrics
from gateway.records.decode import decoder
from gateway.schema.build import Schema, SchemaOptions, build_schema, sdl
from gateway.schema.chat import ChatSession
from gateway.schema.entity import record_of
from gateway.schema.limits import Limits
from gateway.settings import Settings
from gateway.snapshot import Snapshot, Windows
from gateway.source import Fetch, Source
from gateway.tenants.states import MOST_TENANTS
from gateway.upstream.reach import Reachability
from gateway.web.accept import GRAPHQL_JSON
from gateway.web.browsers import SecurityHeaders
from gateway.web.caching import OneVary
from gateway.web.etag import ETags
from gateway.web.event_stream import EVENT_STREAM
from gateway.web.graphql import GraphQLView, ViewOptions
from gateway.web.metrics import metrics_of
from gateway.web.ops import Check, healthz, metrics, readyz
from gateway.web.persisted import Documents, names_in, read_manifest
from gateway.web.query_page import static_files
from gateway.web.ready import KeptAnswers, ReadyAnswers
from gateway.web.request import RequestLimits, RequestReader
from gateway.web.request_log import RequestBook, RequestLog
from gateway.web.rest import rest_of
from gateway.web.shedding import ConnectionLimit, Shedding
from gateway.web.sockets import OpenSockets
from gateway.web.tenant_path import FindSource
from gateway.web.webhooks import Webhooks

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from gateway.web.tracing import Tracing

__all__ = ["create_app"]

_GRAPHQL = "/graphql"
_REDIS_TIMEOUT_S = 0.25
_TENANT_HEADER = "X-Tenant"
_WEBHOOKS = "/webhooks/superoffice"
_SMALLEST_COMPRESSED = 1_000
_INTERVAL_WITHOUT_CACHE_S = 5.0
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
# A compressor holds a megabyte or more, and a stream would keep its own for hours.
remove_compress_type(EVENT_STREAM)


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
    manifest = _manifest(settings)
    names = OperationNames(names_in(manifest.values()) if manifest else None)
    tracing = _tracing(names, tracer_provider) if settings.tracing else None
    requests_meter, upstream_meter = RequestMeter(), UpstreamMeter()
    book = RequestBook(requests_meter)
    shared = _shared_cache(settings)
    flights, lookups = Flights[Snapshot](), Lookups()
    cache = BoundedMemoryCache(max_bytes=settings.cache_max_bytes)
    source = partial(
        Source,
        decode=decoder(record_of(ChatSession)),
        cache=tracing.cache(cache) if tracing else cache,
        windows=Windows(
            settings.cache_ttl, settings.stale_while_revalidate, settings.stale_if_error
        ),
        shared=shared,
        time_zone=settings.zone,
        secret=settings.cache_secret.get_secret_value().encode(),
        flights=flights,
        lookups=lookups,
    )

    def observed(fetch: Fetch, url: str) -> Fetch:
        counted = upstream_meter.around(fetch)
        return tracing.fetch(counted, url) if tracing else counted

    rest = rest_of(settings, source, observed, upstream_transport, path=_GRAPHQL)
    policy = _caller_policy(settings)
    extensions = (tracing.operations,) if tracing else ()
    schema = build_schema(_schema_options(settings, manifest, extensions))
    compare = Comparison(schema.watched)
    watchers_of: Lately[Source, Watchers] = Lately(
        lambda source: Watchers(source, rhythm=_rhythm(settings), compare=compare),
        most=MOST_TENANTS,
    )
    bus = _bus(settings)
    webhooks = _webhooks(settings, bus)
    newsroom = Newsroom(bus, rest.source_of, watchers_of)
    sockets = OpenSockets(
        most=settings.max_sockets, most_per_caller=settings.max_sockets_per_caller
    )
    view = GraphQLView(
        schema=schema,
        find_source=rest.find_source,
        policy=policy,
        watchers_of=watchers_of,
        sockets=sockets,
        reader=_reader(settings, manifest, shared),
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

    endpoint = Shedding(view, path=_GRAPHQL, max_requests=settings.max_requests, book=book)
    ready = _ready_answers(settings, rest.find_source, policy, book)
    collector: Collector = metrics_of(
        requests=requests_meter,
        upstream=upstream_meter,
        lookups=lookups,
        flights=flights,
        cache=cache,
        clients=rest.clients,
        watchers=watchers_of.all,
        sockets=sockets,
        webhooks=webhooks.results if webhooks else {},
    )

    background: list[Callable[[], Coroutine[Any, Any, None]]] = [newsroom.keep_listening]
    checks: dict[str, Check] = {}
    if metrics_directory is not None:
        collector = shared_metrics = SharedMetrics(metrics_directory, collector)
        background.append(shared_metrics.keep_writing)
    if settings.ready_check:
        reachability = Reachability(
            url=settings.address,
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
        try:
            yield
        finally:
            app.state.is_ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await newsroom.aclose()
            await flights.cancel()
            await rest.aclose()
            if shared is not None:
                await shared.aclose()
            if tracing:
                await tracing.aclose()

    app = Starlette(
        routes=[
            Route(_GRAPHQL, endpoint),
            WebSocketRoute(_GRAPHQL, view),
            *(_tenant_routes(endpoint, view) if settings.environment else []),
            Route("/schema.graphql", _schema_text(schema)),
            Route("/healthz", healthz),
            Route("/readyz", readyz(checks)),
            *([] if settings.metrics_port is not None else [Route("/metrics", metrics(collector))]),
            *([Route(_WEBHOOKS, webhooks.receive, methods=["POST"])] if webhooks else []),
            static_files(),
        ],
        # From the outside in.
        middleware=[
            Middleware(RequestLog, book=book),
            *([tracing.requests(_GRAPHQL)] if tracing else []),
            *([Middleware(KeptAnswers, ready=ready)] if ready else []),
            Middleware(SecurityHeaders),
            *_cors(settings),
            Middleware(ETags),
            Middleware(OneVary, also=_TENANT_HEADER.encode() if settings.environment else b""),
            Middleware(CompressMiddleware, minimum_size=_SMALLEST_COMPRESSED),
        ],
        exception_handlers={HTTPException: _no_such_thing},
        lifespan=lifespan,
    )
    # What our server's HTTP protocol asks for; past the application there would be no trace.
    app.state.ready = None if tracing else ready
    app.state.shedding = endpoint
    app.state.connection_limit = ConnectionLimit(settings.max_connections)
    # It would redirect to whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _shared_cache(settings: Settings) -> SharedCache | None:
    if settings.redis_url is None:
        return None
    return SharedCache(
        RedisCache(settings.redis_url, timeout_s=_REDIS_TIMEOUT_S),
        max_bytes=settings.max_upstream_bytes,
        patience_s=settings.upstream_timeout,
    )


async def _no_such_thing(request: Request, exc: Exception) -> Response:
    """Answer what no route does in the form that all of our errors have."""
    assert isinstance(exc, HTTPException)  # noqa: S101  called for these only
    error = {"message": exc.detail, "extensions": {"code": BadRequestError.code}}
    return JSONResponse({"errors": [error]}, exc.status_code, exc.headers)


def _tenant_routes(endpoint: ASGIApp, view: GraphQLView) -> list[Route | WebSocketRoute]:
    path = f"{_GRAPHQL}/{{tenant}}"
    return [Route(path, endpoint), WebSocketRoute(path, view)]


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


def _reader(
    settings: Settings, manifest: Mapping[str, str], shared: SharedCache | None
) -> RequestReader:
    limits = RequestLimits(
        body_bytes=settings.max_body_bytes,
        batch=settings.max_batch,
        variables_bytes=settings.max_variables_bytes,
        variables_depth=settings.max_variables_depth,
    )
    keeps_queries = settings.persisted_queries and not settings.trusted_documents_only
    cache = BoundedMemoryCache(max_bytes=_PERSISTED_QUERIES_BYTES) if keeps_queries else None
    secret = settings.cache_secret.get_secret_value().encode()
    return RequestReader(limits, Documents(cache, manifest, shared=shared, secret=secret))


def _schema_text(schema: Schema) -> Callable[[Request], Awaitable[Response]]:
    text = sdl(schema)

    async def schema_text(request: Request) -> Response:
        return PlainTextResponse(text, headers={"Cache-Control": "no-cache"})

    return schema_text


def _ready_answers(
    settings: Settings, find_source: FindSource, policy: CallerPolicy, book: RequestBook
) -> ReadyAnswers | None:
    if not settings.cache_ttl:
        return None
    return ReadyAnswers(
        path=_GRAPHQL,
        find_source=find_source,
        policy=policy,
        book=book,
        heeds_cache_control=settings.client_cache_control,
    )


def _rhythm(settings: Settings) -> Rhythm:
    interval_s = settings.live_interval or settings.cache_ttl or _INTERVAL_WITHOUT_CACHE_S
    return Rhythm(interval_s=interval_s, slowest_s=settings.live_slowest)


def _bus(settings: Settings) -> Bus:
    if settings.redis_url is not None:
        return RedisBus(settings.redis_url, timeout_s=_REDIS_TIMEOUT_S)
    return LocalBus(is_alone=settings.workers == 1)


def _webhooks(settings: Settings, bus: Bus) -> Webhooks | None:
    if settings.webhook_secret is None:
        return None
    return Webhooks(settings.webhook_secret.get_secret_value().encode(), bus.publish)


def _cors(settings: Settings) -> list[Middleware]:
    origins = settings.allowed_origins
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            # With `*`, any page could read what a visitor's cookies open.
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST"],
            allow_headers=[*_REQUEST_HEADERS, *([_TENANT_HEADER] if settings.environment else [])],
            expose_headers=_EXPOSED_HEADERS,
            max_age=600,
        )
    ]
