"""Health, readiness and metrics, for operators and probes."""

import threading
from collections.abc import Awaitable, Callable, Mapping

from cachetools import TTLCache, cached
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import __version__
from gateway.web.inbound import inbound_of

FRESH_S = 0.5
"""All requests within this time share one rendering of the metrics, which takes milliseconds."""

_MOST_FORMATS = 8

_STATUS = {None: "starting", True: "ready", False: "draining"}
"""The status for each value of `app.state.is_ready`."""

_NOT_STORED = {"Cache-Control": "no-store"}

Check = Callable[[], str | None]
"""Returns, without waiting, the reason why requests cannot be served, or None."""


async def healthz(request: Request) -> Response:
    """Answer that the process is alive; nothing else is checked."""
    inbound_of(request.scope).record.is_routine = True
    return JSONResponse({"status": "alive"}, headers=_NOT_STORED)


def readyz(checks: Mapping[str, Check]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler that reports whether the gateway is ready, and each check.

    It is ready from the end of start-up to the start of shutdown, unless a check fails:
    `{"status": "unready", "checks": {"rest": "it cannot be reached"}, "version": "1.2.3"}`.
    """

    async def answer(request: Request) -> Response:
        inbound_of(request.scope).record.is_routine = True
        found = {name: check() or "ok" for name, check in checks.items()}
        status = _STATUS[getattr(request.app.state, "is_ready", None)]
        if status == "ready" and not {*found.values()} <= {"ok"}:
            status = "unready"
        return JSONResponse(
            {"status": status, "checks": found, "version": __version__},
            200 if status == "ready" else 503,
            _NOT_STORED,
        )

    return answer


def metrics(collector: Collector) -> Callable[[Request], Response]:
    """Return the handler of metrics, in a format that Prometheus reads; it runs on a thread."""

    @cached(
        TTLCache(_MOST_FORMATS, FRESH_S),
        key=lambda accept: choose_encoder(accept)[1],
        condition=threading.Condition(),
    )
    def rendered(accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        return encode(collector), content_type

    def answer(request: Request) -> Response:
        # A proxy that hides this path may not know other spellings, such as `/%6detrics`.
        if not request.scope.get("raw_path", b"/metrics").endswith(b"/metrics"):
            raise HTTPException(404)
        inbound_of(request.scope).record.is_routine = True
        body, content_type = rendered(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type, **_NOT_STORED})

    return answer
