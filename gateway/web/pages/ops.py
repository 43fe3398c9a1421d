"""Health, readiness and metrics, for operators and probes."""

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import __version__

Check = Callable[[], str | None]
"""Returns at once why requests cannot be served, or None."""


async def healthz(request: Request) -> Response:
    """Answer that the process is alive; nothing else is checked."""
    return JSONResponse({"status": "alive"})


def readyz(checks: Mapping[str, Check]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler that says whether requests can be served, or why not.

    They can from the end of start-up to the start of shutdown, unless a check fails:
    `{"status": "unready", "checks": {"rest": "it cannot be reached"}, "version": "1.2.3"}`.
    """

    async def answer(request: Request) -> Response:
        found = {name: check() or "ok" for name, check in checks.items()}
        match getattr(request.app.state, "is_ready", None):
            case None:
                status = "starting"
            case False:
                status = "draining"
            case _:
                status = "ready" if {*found.values()} <= {"ok"} else "unready"
        return JSONResponse(
            {"status": status, "checks": found, "version": __version__},
            200 if status == "ready" else 503,
            {"Cache-Control": "no-store"},
        )

    return answer


def metrics(collector: Collector) -> Callable[[Request], Response]:
    """Return the handler of metrics, in a format that Prometheus reads; it runs on a thread."""

    def answer(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
        return Response(encode(collector), headers=headers)

    return answer
