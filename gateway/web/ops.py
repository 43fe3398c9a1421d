"""What operators ask for: health and readiness."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["healthz", "readyz"]


async def healthz(request: Request) -> Response:
    """Say that the process is alive; nothing else is looked at."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Say whether requests can be served: from the end of start-up to the start of shutdown."""
    is_ready = request.app.state.is_ready
    status = "ready" if is_ready else "draining"
    return JSONResponse({"status": status}, status_code=200 if is_ready else 503)
