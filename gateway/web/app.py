"""The whole gateway, wired by hand: every object it is made of, every route, every middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from gateway.cache.memory import BoundedMemoryCache
from gateway.caller import CallerPolicy
from gateway.schema.chat import ChatSession
from gateway.schema.decode import decoder
from gateway.schema.entity import record_of
from gateway.schema.roots import build_schema, sdl
from gateway.settings import Settings
from gateway.source import Source
from gateway.upstream.client import UpstreamClient
from gateway.web.graphql import GraphQLView
from gateway.web.ops import healthz, readyz
from gateway.web.request_log import RequestLog

__all__ = ["create_app"]


def create_app(
    settings: Settings, *, upstream_transport: httpx.AsyncBaseTransport | None = None
) -> Starlette:
    """Build the ASGI application; `upstream_transport` stands in for the network in tests."""
    upstream = UpstreamClient(
        url=settings.upstream_url,
        connect_timeout_s=settings.upstream_connect_timeout,
        timeout_s=settings.upstream_timeout,
        connections=settings.upstream_connections,
        max_bytes=settings.max_upstream_bytes,
        transport=upstream_transport,
    )
    source = Source(
        fetch=upstream.fetch,
        decode=decoder(record_of(ChatSession)),
        cache=BoundedMemoryCache(max_bytes=settings.cache_max_bytes),
        upstream_url=settings.upstream_url,
        ttl_s=settings.cache_ttl,
        secret=settings.cache_secret.get_secret_value().encode(),
    )
    schema = build_schema(introspection=settings.introspection)
    app_token = settings.app_token.get_secret_value().encode() if settings.app_token else None
    view = GraphQLView(
        schema=schema,
        source=source,
        policy=CallerPolicy(app_token, settings.forward_cookie_names),
        query_page=settings.graphiql,
    )
    schema_sdl = sdl(schema)

    async def schema_text(request: Request) -> Response:
        return PlainTextResponse(schema_sdl)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.is_ready = True
        yield
        app.state.is_ready = False
        await source.flights.cancel()
        await upstream.aclose()

    return Starlette(
        routes=[
            Route("/graphql", view),
            WebSocketRoute("/graphql", view),
            Route("/schema.graphql", schema_text),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
