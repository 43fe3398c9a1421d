"""The demo REST server: `GET /api/v1/ChatSession/ForCurrentUser`, and errors everywhere else.

It simulates SuperOffice Online too: `/{tenant}/api/v1/…` for its tenants, and the state service.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.demo.desk import Desk
from gateway.demo.sessions import session_record
from gateway.demo.tenants import DEMO_TENANTS, DemoTenant
from gateway.demo.users import DemoUser, find_user
from gateway.demo.webhooks import ONLY_TENANT, Hook, Webhooks
from gateway.demo.wire import Wire

PATH = "/api/v1/ChatSession/ForCurrentUser"


def create_demo_app(
    *,
    sessions: int = 12,
    delay_ms: int = 0,
    seed: int = 1,
    sample: Path | None = None,
    clock: Callable[[], float] = time.time,
    hook: Hook | None = None,
) -> Starlette:
    """Build the demo server; the same seed, second, user and headers give the same bytes.

    `app.state.calls` counts the calls of the endpoint as they arrive, refused ones included.

    Args:
        sessions: how many sessions each user sees at any time.
        delay_ms: wait before every answer, in milliseconds.
        seed: of all random data.
        sample: a file to serve byte for byte instead; credentials are still required.
        clock: seconds since 1970.
        hook: where webhooks go.
    """
    desks = {
        # Each tenant has chats of its own.
        name: Desk(sessions=sessions, seed=seed + number)
        for number, name in enumerate((ONLY_TENANT, *DEMO_TENANTS))
    }

    def server(name: str, delay_s: float = 0) -> _Server:
        return _Server(desks[name], delay_s + delay_ms / 1000, sample, clock)

    online = _Online({t: server(name, t.delay_s) for name, t in DEMO_TENANTS.items()}, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        hooks = (
            [Webhooks(desks[t], hook, tenant=t, clock=clock) for t in hook.tenants] if hook else []
        )
        sending = [asyncio.create_task(webhooks.run()) for webhooks in hooks]
        yield
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    app = Starlette(
        routes=[
            Route(PATH, server(ONLY_TENANT).for_current_user, methods=["GET"]),
            Route("/api/state/{tenant}", online.state, methods=["GET"]),
            Route(f"/{{tenant}}{PATH}", online.for_current_user, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refuse},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # SuperOffice has no such route: 404
    app.state.calls = 0
    return app


class _Server:
    def __init__(
        self, desk: Desk, delay_s: float, sample: Path | None, clock: Callable[[], float]
    ) -> None:
        self._desk = desk
        self._delay_s = delay_s
        self._sample = sample.read_bytes() if sample else None
        self._clock = clock

    async def for_current_user(self, request: Request) -> Response:
        request.app.state.calls += 1
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        user = find_user(request.headers)
        if user is None:
            message = "Authentication failed: no or invalid credentials."
            return _error(401, "SoSecurityException", message)
        if self._sample is not None:
            return _json(self._sample)
        return _json(self._answer(user, Wire.from_headers(request.headers)))

    def _answer(self, user: DemoUser, wire: Wire) -> bytes:
        moments = self._desk.moments(user, math.floor(self._clock()))
        return orjson.dumps([session_record(moment, wire) for moment in moments])


class _Online:
    def __init__(self, servers: Mapping[DemoTenant, _Server], clock: Callable[[], float]) -> None:
        self._servers = servers
        self._clock = clock

    async def state(self, request: Request) -> Response:
        return _json(orjson.dumps(_tenant(request).answer(self._clock())))

    async def for_current_user(self, request: Request) -> Response:
        tenant = _tenant(request)
        if not tenant.is_running:
            raise HTTPException(503)
        if not tenant.is_at(str(request.url.hostname), self._clock()):
            raise HTTPException(421)
        return await self._servers[tenant].for_current_user(request)


def _tenant(request: Request) -> DemoTenant:
    if (tenant := DEMO_TENANTS.get(request.path_params["tenant"])) is None:
        raise HTTPException(404)
    return tenant


async def _refuse(request: Request, exc: Exception) -> Response:
    """Answer an unknown route or method with JSON, as SuperOffice does."""
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for these only
    kind = "SoNotFoundException" if exc.status_code == 404 else "SoNotSupportedException"
    message = f"No resource answers {request.method} {request.url.path}"
    answer = _error(exc.status_code, kind, message)
    answer.headers.update(exc.headers or {})
    return answer


def _error(status: int, kind: str, message: str) -> Response:
    body = {
        "Error": True,
        "ErrorType": kind,
        "ErrorMessage": message,
        "ErrorSource": "SuperOffice.WebApi (demo)",
    }
    return _json(orjson.dumps(body), status)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json; charset=utf-8")
