"""The whole gateway, wired by hand: every object it is made of, every route, every middleware."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
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
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from gateway.caller import CallerPolicy
from gateway.live.changes import Comparison
from gateway.live.dispatch import Dispatch
from gateway.live.watcher import Watchers
from gateway.observe.cache_stats import Lookups
from gateway.observe.metrics import RequestMeter, UpstreamMeter
from gateway.observe.operations import OperationNames
from gateway.observe.sharing import SharedMetrics
from gateway.records.decode import decoder
from gateway.schema.build import Schema, build_schema, sdl
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.sessions.revocations import Revocations
from gateway.sessions.snapshot import Snapshot, Windows
from gateway.sessions.source import Fetch, Source
from gateway.settings import Settings
from gateway.store.keyed_cache import Lately
from gateway.store.memory import BoundedMemoryCache
from gateway.store.single_flight import Flights
from gateway.tenants.path import FindSource
from gateway.tenants.states import MOST_TENANTS
from gateway.upstream.reach import Reachability
from gateway.web.admission import ConnectionLimit, Shedding
from gateway.web.endpoint import GraphQLView, ViewOptions
from gateway.web.middleware.browsers import SecurityHeaders
from gateway.web.middleware.etag import ETags
from gateway.web.middleware.request_log import RequestBook, RequestLog
from gateway.web.open_sockets import OpenSockets
from gateway.web.pages.not_found import nowhere
from gateway.web.pages.ops import Check, healthz, metrics, readyz
from gateway.web.pages.query_page import static_files
from gateway.web.read.accept import GRAPHQL_JSON
from gateway.web.read.persisted import names_in
from gateway.web.respond.caching import OneVary
from gateway.web.response_cache import KeptAnswers, ReadyAnswers
from gateway.web.stream.event_stream import EVENT_STREAM
from gateway.wiring.metrics import metrics_of
from gateway.wiring.parts import (
    bus_of,
    caller_policy,
    cross_origin,
    request_reader,
    rhythm,
    schema_options,
    shared_cache,
    tracing_of,
    trusted_documents,
    webhooks_of,
)
from gateway.wiring.upstreams import rest_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


__all__ = ["create_app"]

_GRAPHQL = "/graphql"
_WEBHOOKS = "/webhooks/superoffice"
_SMALLEST_COMPRESSED = 1_000

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
    manifest = trusted_documents(settings)
    names = OperationNames(names_in(manifest.values()) if manifest else None)
    tracing = tracing_of(names, tracer_provider) if settings.tracing else None
    requests_meter, upstream_meter = RequestMeter(), UpstreamMeter()
    book = RequestBook(requests_meter)
    shared = shared_cache(settings)
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
        revocations=Revocations(shared),
        time_zone=settings.zone,
        secret=settings.cache_secret.get_secret_value().encode(),
        flights=flights,
        lookups=lookups,
    )

    def observed(fetch: Fetch, url: str) -> Fetch:
        counted = upstream_meter.around(fetch)
        return tracing.fetch(counted, url) if tracing else counted

    rest = rest_of(settings, source, observed, upstream_transport, path=_GRAPHQL)
    policy = caller_policy(settings)
    extensions = (tracing.operations,) if tracing else ()
    schema = build_schema(schema_options(settings, manifest, extensions))
    compare = Comparison(schema.watched)
    watchers_of: Lately[Source, Watchers] = Lately(
        lambda source: Watchers(source, rhythm=rhythm(settings), compare=compare),
        most=MOST_TENANTS,
    )
    bus = bus_of(settings)
    webhooks = webhooks_of(settings, bus, rest.source_of, shared)
    dispatch = Dispatch(bus, rest.source_of, watchers_of)
    sockets = OpenSockets(
        most=settings.max_sockets, most_per_caller=settings.max_sockets_per_caller
    )
    view = GraphQLView(
        schema=schema,
        find_source=rest.find_source,
        policy=policy,
        watchers_of=watchers_of,
        sockets=sockets,
        reader=request_reader(settings, manifest, shared),
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

    background: list[Callable[[], Coroutine[Any, Any, None]]] = [dispatch.run]
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
            await dispatch.aclose()
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
            *cross_origin(settings),
            Middleware(ETags),
            Middleware(OneVary, also=b"X-Tenant" if settings.environment else b""),
            Middleware(CompressMiddleware, minimum_size=_SMALLEST_COMPRESSED),
        ],
        exception_handlers={HTTPException: nowhere(_GRAPHQL, has_query_page=settings.graphiql)},
        lifespan=lifespan,
    )
    # What our server's HTTP protocol asks for; past the application there would be no trace.
    app.state.ready = None if tracing else ready
    app.state.shedding = endpoint
    app.state.connection_limit = ConnectionLimit(settings.max_connections)
    # It would redirect to whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _tenant_routes(endpoint: ASGIApp, view: GraphQLView) -> list[Route | WebSocketRoute]:
    path = f"{_GRAPHQL}/{{tenant}}"
    return [Route(path, endpoint), WebSocketRoute(path, view)]


def _schema_text(schema: Schema) -> Callable[[Request], Awaitable[Response]]:
    async def schema_text(request: Request) -> Response:
        return PlainTextResponse(sdl(schema), headers={"Cache-Control": "no-cache"})

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
