"""The HTTP answer to a request that is refused, in the one form that all errors have."""

import orjson
from starlette.responses import Response

from gateway.errors import GatewayError
from gateway.web.read.accept import JSON
from gateway.web.respond.caching import VARY


def error_response(
    error: GatewayError, media_type: str = JSON, *, status: int | None = None
) -> Response:
    """Return `{"errors": [{"message", "extensions"}]}` with the error's status and headers."""
    headers = {"Cache-Control": "no-store", "Vary": VARY, **error.headers}
    retry_after = error.extensions.get("retryAfter")
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    body = orjson.dumps({"errors": [error.formatted]})
    return Response(body, status or error.http_status, headers, media_type)
