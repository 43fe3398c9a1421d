"""The ASGI application: every route, every middleware, and the lifespan, on one screen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import httpx
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.executor.internals import graphql_schema
from gateway.schema.build import sdl
from gateway.settings import Settings
from gateway.tenants.path import GRAPHQL_PATH
from gateway.web.endpoint import Endpoint
from gateway.web.middleware.cors import Cors
from gateway.web.middleware.representation import Representation
from gateway.web.middleware.request_log import RequestLog
from gateway.web.pages import docs
from gateway.web.pages.common import CommonResponse
from gateway.web.pages.not_found import not_found, socket_not_found
from gateway.web.pages.ops import healthz, metrics, readyz
from gateway.web.pages.query_page import QueryPage, static_files
from gateway.web.response_cache import ResponseCache
from gateway.web.websocket.handshake import serve_socket
from gateway.wiring.gateway import Gateway

_WEBHOOKS = "/webhooks/superoffice"


def create_app(
    settings: Settings,
    *,
    upstream_transport: httpx.AsyncBaseTransport | None = None,
    demo_users: Sequence[tuple[str, str, int]] = (),
    metrics_directory: Path | None = None,
) -> Starlette:
    """Build the ASGI application.

    Args:
        settings: how it behaves.
        upstream_transport: replaces the network in tests.
        demo_users: name, Authorization and associateId of the users that the query page shows to
            all visitors.
        metrics_directory: where the processes of one gateway share their metrics.

    Raises:
        SettingsError: a file named in the settings cannot be read, or a field does not exist.
    """
    gateway = Gateway(settings, upstream_transport)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with gateway.running():
            app.state.is_ready = True
            try:
                yield
            finally:
                app.state.is_ready = False

    def draining() -> bool:
        return getattr(app.state, "is_ready", None) is False

    has_tenants = settings.environment is not None
    schema = graphql_schema(gateway.schema)
    page = QueryPage(schema, demo_users, has_tenants=has_tenants, has_manual=settings.docs)
    endpoint = Endpoint(
        graphql=gateway.graphql,
        admission=gateway.edge.admission,
        page=page if settings.graphiql else None,
        timeout_s=settings.request_timeout,
    )
    app = Starlette(
        routes=_routes(settings, gateway, endpoint, gateway.collector(metrics_directory, draining)),
        middleware=_middleware(settings, gateway),
        exception_handlers={HTTPException: not_found(has_query_page=settings.graphiql)},
        lifespan=lifespan,
    )
    app.state.graphql = gateway.graphql  # for the commands `query` and `doctor`
    app.state.reload = gateway.reloads  # for our server, at SIGHUP
    app.state.edge = gateway.edge
    # The redirect would go to the host in the request, which any client can choose.
    app.router.redirect_slashes = False
    return app


def _routes(
    settings: Settings, gateway: Gateway, endpoint: Endpoint, collector: Collector
) -> list[BaseRoute]:
    sockets = partial(serve_socket, gateway.graphql, gateway.edge)
    paths = [GRAPHQL_PATH, *([f"{GRAPHQL_PATH}/{{tenant}}"] if settings.environment else [])]
    webhooks = gateway.webhooks

    @cache
    def schema_text() -> Response:
        no_cache = {"Cache-Control": "no-cache"}
        return CommonResponse(sdl(gateway.schema), "text/plain", no_cache)

    return [
        *(Route(path, endpoint) for path in paths),
        *(WebSocketRoute(path, sockets) for path in paths),
        Route("/schema.graphql", lambda _: schema_text()),
        Route("/healthz", healthz),
        Route("/readyz", readyz(gateway.checks)),
        *([] if settings.metrics_port is not None else [Route("/metrics", metrics(collector))]),
        *([Route(_WEBHOOKS, webhooks.receive, methods=["POST"])] if webhooks else []),
        *(docs.routes() if settings.docs else []),
        static_files(),
        WebSocketRoute("/{path:path}", socket_not_found),
    ]


def _middleware(settings: Settings, gateway: Gateway) -> list[Middleware]:
    """Return the middleware, the outermost first."""
    return [
        Middleware(RequestLog, door=gateway.edge.door, access_log=gateway.edge.access_log),
        *([gateway.tracing.requests(GRAPHQL_PATH)] if gateway.tracing else []),
        *([Middleware(ResponseCache)] if settings.cache_ttl else []),
        Middleware(Representation, also=b"X-Tenant" if settings.environment else b""),
        *([Middleware(Cors, settings=settings)] if settings.cors_origins else []),
    ]
