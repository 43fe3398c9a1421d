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
from gateway.schema.engine import Engine
from gateway.schema.entities.chat import ChatSession
from gateway.sessions.freshness import Windows
from gateway.sessions.revocations import Revocations
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Fetch, Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.store.memory import BoundedMemoryCache
from gateway.store.single_flight import Flights
from gateway.tenants.states import MOST_TENANTS
from gateway.web.admission import Admission, ConnectionLimit
from gateway.web.edge import Edge
from gateway.web.endpoint import Endpoint
from gateway.web.graphql import GraphQL
from gateway.web.inbound import Door
from gateway.web.middleware.coding import OneCoding
from gateway.web.middleware.etag import ETags
from gateway.web.middleware.request_log import AccessLog, RequestLog
from gateway.web.middleware.response_headers import ResponseHeaders
from gateway.web.open_sockets import OpenSockets
from gateway.web.pages.not_found import not_found
from gateway.web.pages.ops import Check, healthz, metrics, readyz
from gateway.web.pages.query_page import QueryPage, static_files
from gateway.web.read.accept import EVENT_STREAM, GRAPHQL_JSON
from gateway.web.read.persisted import names_in
from gateway.web.response_cache import ResponseCache
from gateway.web.websocket.handshake import SocketEndpoint
from gateway.wiring import live, upstreams
from gateway.wiring.browsers import cross_origin
from gateway.wiring.metrics import metrics_of
from gateway.wiring.schema import (
    request_reader,
    schema_options,
    tracing_for,
    trusted_documents,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


_GRAPHQL = "/graphql"
_WEBHOOKS = "/webhooks/superoffice"
_SMALLEST_COMPRESSED = 1_000

# Compressed like application/json, which the library knows by itself.
add_compress_type(GRAPHQL_JSON)
# A compressor holds a megabyte or more, and a stream would keep its own for hours.
remove_compress_type(EVENT_STREAM)
remove_compress_type("multipart/mixed")


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
    tracing = tracing_for(names, tracer_provider) if settings.tracing else None
    requests_meter, upstream_meter = RequestMeter(), UpstreamMeter()
    access_log = AccessLog(requests_meter)
    shared = live.shared_cache(settings)
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
        time_zone=settings.time_zone,
        secret=settings.cache_secret.get_secret_value().encode(),
        flights=flights,
        lookups=lookups,
    )

    def observed(fetch: Fetch, url: str) -> Fetch:
        counted = upstream_meter.around(fetch)
        return tracing.fetch(counted, url) if tracing else counted

    rest = upstreams.Upstreams(settings, source, observed, upstream_transport, path=_GRAPHQL)
    extensions = (tracing.operations,) if tracing else ()
    schema = build_schema(schema_options(settings, manifest, extensions))
    compare = Comparison(schema.watched)
    watchers_of: KeyedCache[Source, Watchers] = KeyedCache(
        lambda source: Watchers(source, rhythm=live.rhythm(settings), compare=compare),
        most=MOST_TENANTS,
    )
    bus = live.bus(settings)
    webhooks = live.webhooks(settings, bus, rest.source_of, shared)
    dispatch = Dispatch(bus, rest.source_of, watchers_of)
    sockets = OpenSockets(
        most=settings.max_sockets, most_per_caller=settings.max_sockets_per_caller
    )
    door = Door(
        find_source=rest.find_source,
        policy=upstreams.caller_policy(settings),
        heeds_cache_control=settings.client_cache_control,
    )
    graphql = GraphQL(
        engine=Engine(schema),
        reader=request_reader(settings, manifest, shared),
        names=names,
        sockets=sockets,
        watchers_of=watchers_of,
        searched=schema.searched,
        links=schema.links,
        allowed_origins=settings.cors_origins,
    )
    admission = Admission(settings.max_requests)
    endpoint = Endpoint(
        graphql,
        admission,
        page=QueryPage(demo_users) if settings.graphiql else None,
        timeout_s=settings.request_timeout,
        is_running=lambda: app.state.is_ready,
    )
    socket_endpoint = SocketEndpoint(graphql, door, access_log)
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
    if reachability := upstreams.reachability(settings):
        checks["rest"] = reachability.problem
        background.append(reachability.keep_checking)

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
            WebSocketRoute(_GRAPHQL, socket_endpoint),
            *(_tenant_routes(endpoint, socket_endpoint) if settings.environment else []),
            Route("/schema.graphql", _schema_text(schema)),
            Route("/healthz", healthz),
            Route("/readyz", readyz(checks)),
            *([] if settings.metrics_port is not None else [Route("/metrics", metrics(collector))]),
            *([Route(_WEBHOOKS, webhooks.receive, methods=["POST"])] if webhooks else []),
            static_files(),
        ],
        # From the outside in.
        middleware=[
            Middleware(RequestLog, door=door, access_log=access_log),
            *([tracing.requests(_GRAPHQL)] if tracing else []),
            *([Middleware(ResponseCache)] if settings.cache_ttl else []),
            Middleware(ResponseHeaders, also=b"X-Tenant" if settings.environment else b""),
            *cross_origin(settings),
            Middleware(ETags),
            Middleware(OneCoding),
            Middleware(CompressMiddleware, minimum_size=_SMALLEST_COMPRESSED),
        ],
        exception_handlers={HTTPException: not_found(_GRAPHQL, has_query_page=settings.graphiql)},
        lifespan=lifespan,
    )
    app.state.edge = Edge(
        path=_GRAPHQL,
        door=door,
        access_log=access_log,
        admission=admission,
        connection_limit=ConnectionLimit(settings.max_connections),
        has_fast_lane=bool(settings.cache_ttl) and not tracing,
    )
    app.state.graphql = graphql  # for `gateway query`
    # It would redirect to whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _tenant_routes(endpoint: ASGIApp, socket_endpoint: ASGIApp) -> list[Route | WebSocketRoute]:
    path = f"{_GRAPHQL}/{{tenant}}"
    return [Route(path, endpoint), WebSocketRoute(path, socket_endpoint)]


def _schema_text(schema: Schema) -> Callable[[Request], Awaitable[Response]]:
    async def schema_text(request: Request) -> Response:
        return PlainTextResponse(sdl(schema), headers={"Cache-Control": "no-cache"})

    return schema_text
