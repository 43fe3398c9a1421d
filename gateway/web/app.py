"""The whole gateway, wired by hand: every object it is made of, every route, every middleware."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from gateway.cache.flights import Flights
from gateway.cache.lately import Lately
from gateway.cache.memory import BoundedMemoryCache
from gateway.cache.redis import RedisCache
from gateway.cache.shared import SharedCache
from gateway.caller import CallerPolicy
from gateway.errors import BadRequestError, SettingsError
from gateway.live.bus import Bus, LocalBus, News
from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.records.decode import decoder
from gateway.schema.build import Schema, SchemaOptions, build_schema, sdl
from gateway.schema.chat import ChatSession
from gateway.schema.entity import record_of
from gateway.schema.limits import Limits
from gateway.settings import Settings
from gateway.snapshot import Snapshot, Windows
from gateway.source import Source
from gateway.tenants.calls import TenantCalls
from gateway.tenants.states import MOST_TENANTS, TenantStates
from gateway.upstream.client import UpstreamClient
from gateway.upstream.tenant_state import StateService
from gateway.upstream.transport import LentTransport, PooledTransport
from gateway.web.accept import GRAPHQL_JSON
from gateway.web.browsers import SecurityHeaders
from gateway.web.caching import OneVary
from gateway.web.etag import ETags
from gateway.web.event_stream import EVENT_STREAM
from gateway.web.graphql import GraphQLView, ViewOptions
from gateway.web.ops import healthz, readyz
from gateway.web.persisted import Documents, read_manifest
from gateway.web.query_page import static_files
from gateway.web.ready import KeptAnswers, ReadyAnswers
from gateway.web.request import RequestLimits, RequestReader
from gateway.web.request_log import RequestLog
from gateway.web.shedding import ConnectionLimit, Shedding
from gateway.web.sockets import OpenSockets
from gateway.web.tenant_path import FindSource, SourceOf, TenantSources
from gateway.web.webhooks import Webhooks

__all__ = ["create_app"]

logger = logging.getLogger(__name__)

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
) -> Starlette:
    """Build the ASGI application.

    Args:
        settings: how it behaves.
        upstream_transport: stands in for the network in tests.
        demo_users: names, and the Authorization of each, that the query page offers to everybody.

    Raises:
        SettingsError: a file that the settings name cannot be read, or a field does not exist.
    """
    shared = _shared_cache(settings)
    flights = Flights[Snapshot]()
    source = partial(
        Source,
        decode=decoder(record_of(ChatSession)),
        cache=BoundedMemoryCache(max_bytes=settings.cache_max_bytes),
        windows=Windows(
            settings.cache_ttl, settings.stale_while_revalidate, settings.stale_if_error
        ),
        shared=shared,
        time_zone=settings.zone,
        secret=settings.cache_secret.get_secret_value().encode(),
        flights=flights,
    )
    over = _over_tenants if settings.environment else _over_one
    upstream, find_source, source_of = over(settings, source, upstream_transport)
    policy = _caller_policy(settings)
    manifest = _manifest(settings)
    schema = build_schema(_schema_options(settings, manifest))
    compare = Comparison(schema.watched)
    watchers_of: Lately[Source, Watchers] = Lately(
        lambda source: Watchers(source, rhythm=_rhythm(settings), compare=compare),
        most=MOST_TENANTS,
    )
    bus = LocalBus()
    view = GraphQLView(
        schema=schema,
        find_source=find_source,
        policy=policy,
        watchers_of=watchers_of,
        sockets=OpenSockets(
            most=settings.max_sockets, most_per_caller=settings.max_sockets_per_caller
        ),
        reader=_reader(settings, manifest, shared),
        options=ViewOptions(
            has_query_page=settings.graphiql,
            demo_users=tuple(demo_users),
            allowed_origins=settings.allowed_origins,
            heeds_cache_control=settings.client_cache_control,
            timeout_s=settings.request_timeout,
        ),
    )

    endpoint = Shedding(view, path=_GRAPHQL, max_requests=settings.max_requests)

    ready = _ready_answers(settings, find_source, policy)

    def heard(news: News) -> None:
        source = source_of(news.tenant)
        if source is not None:
            watchers_of(source).refresh(news.heard_ns)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        listening = asyncio.create_task(bus.listen(heard))
        app.state.is_ready = True
        yield
        app.state.is_ready = False
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await asyncio.gather(*(watchers.close() for watchers in watchers_of.all()))
        await flights.cancel()
        await upstream.aclose()
        if shared is not None:
            await shared.aclose()

    app = Starlette(
        routes=[
            Route(_GRAPHQL, endpoint),
            WebSocketRoute(_GRAPHQL, view),
            *(_tenant_routes(endpoint, view) if settings.environment else []),
            Route("/schema.graphql", _schema_text(schema)),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *_webhooks(settings, bus),
            static_files(),
        ],
        # From the outside in.
        middleware=[
            Middleware(RequestLog),
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
    # What our server's HTTP protocol asks for.
    app.state.ready = ready
    app.state.shedding = endpoint
    app.state.connection_limit = ConnectionLimit(settings.max_connections)
    # It would redirect to whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _shared_cache(settings: Settings) -> SharedCache | None:
    if settings.redis_url is None:
        return None
    if not settings.has_own_secret:
        logger.warning(
            "GATEWAY_CACHE_SECRET is not set: only this start can read what it keeps in Redis"
        )
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


def _over_one(
    settings: Settings, source: Callable[..., Source], transport: httpx.AsyncBaseTransport | None
) -> tuple[UpstreamClient, FindSource, SourceOf]:
    client = _client(settings, settings.address, transport)
    the_source = source(fetch=client.fetch, upstream_url=settings.address)
    return client, lambda path, headers: the_source, lambda tenant: the_source


def _over_tenants(
    settings: Settings, source: Callable[..., Source], transport: httpx.AsyncBaseTransport | None
) -> tuple[TenantCalls, FindSource, SourceOf]:
    tls = None if transport else ssl.create_default_context()

    def connections() -> PooledTransport:
        return PooledTransport(
            connections=settings.upstream_connections,
            connect_timeout_s=settings.upstream_connect_timeout,
            tls=tls,
        )

    def client_for(url: str) -> UpstreamClient:
        return _client(settings, url, LentTransport(transport) if transport else connections())

    def made(tenant: str) -> Source:
        # Its address in the environment, at which nothing is called, names a tenant for good.
        address = f"{settings.address}/{tenant}"
        return source(fetch=partial(calls.fetch, tenant), upstream_url=address)

    service = StateService(
        url=settings.address,
        trusted_domains=settings.trusted_domains,
        timeout_s=settings.upstream_timeout,
        transport=transport or connections(),
    )
    calls = TenantCalls(TenantStates(service), client_for)
    sources = TenantSources(
        Lately(made, most=MOST_TENANTS), path=_GRAPHQL, served=settings.served_tenants
    )
    return calls, sources, sources.named


def _client(
    settings: Settings, url: str, transport: httpx.AsyncBaseTransport | None
) -> UpstreamClient:
    return UpstreamClient(
        url=url,
        connect_timeout_s=settings.upstream_connect_timeout,
        timeout_s=settings.upstream_timeout,
        connections=settings.upstream_connections,
        queue=settings.upstream_queue,
        breaker_failures=settings.breaker_failures,
        breaker_cooldown_s=settings.breaker_cooldown,
        max_bytes=settings.max_upstream_bytes,
        transport=transport,
    )


def _tenant_routes(endpoint: ASGIApp, view: GraphQLView) -> list[Route | WebSocketRoute]:
    path = f"{_GRAPHQL}/{{tenant}}"
    return [Route(path, endpoint), WebSocketRoute(path, view)]


def _caller_policy(settings: Settings) -> CallerPolicy:
    app_token = settings.app_token.get_secret_value().encode() if settings.app_token else None
    return CallerPolicy(app_token, settings.forward_cookie_names)


def _manifest(settings: Settings) -> dict[str, str]:
    if settings.trusted_documents:
        return read_manifest(settings.trusted_documents)
    if settings.trusted_documents_only:
        raise SettingsError(
            "GATEWAY_TRUSTED_DOCUMENTS_ONLY=on: there are none; set GATEWAY_TRUSTED_DOCUMENTS, for "
            "example GATEWAY_TRUSTED_DOCUMENTS=persisted-documents.json"
        )
    return {}


def _schema_options(settings: Settings, manifest: Mapping[str, str]) -> SchemaOptions:
    return SchemaOptions(
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
    settings: Settings, find_source: FindSource, policy: CallerPolicy
) -> ReadyAnswers | None:
    if not settings.cache_ttl:
        return None
    return ReadyAnswers(
        path=_GRAPHQL,
        find_source=find_source,
        policy=policy,
        heeds_cache_control=settings.client_cache_control,
    )


def _rhythm(settings: Settings) -> Rhythm:
    interval_s = settings.live_interval or settings.cache_ttl or _INTERVAL_WITHOUT_CACHE_S
    return Rhythm(interval_s=interval_s, slowest_s=settings.live_slowest)


def _webhooks(settings: Settings, bus: Bus) -> list[Route]:
    if settings.webhook_secret is None:
        return []
    secret = settings.webhook_secret.get_secret_value().encode()
    return [Route(_WEBHOOKS, Webhooks(secret, bus.publish).receive, methods=["POST"])]


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
