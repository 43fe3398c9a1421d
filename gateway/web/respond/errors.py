"""Status and headers of answers with errors, and the HTTP answer to a request that is refused.

With `graphql-response+json`, when every root field failed for the same reason, the answer has that
reason's status, so that proxies, monitors and token refreshers see it.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from gateway.errors import STATUSES, GatewayError, UnauthenticatedError
from gateway.observe.operations import ANONYMOUS
from gateway.web.inbound import Inbound
from gateway.web.read.accept import JSON
from gateway.web.respond.caching import VARY

# No Basic: a browser would open its own login window over the page.
_CHALLENGE = 'Bearer realm="SuperOffice", SoTicket realm="SuperOffice"'


def refuse(inbound: Inbound, error: GatewayError, media_type: str = JSON) -> Response:
    """Record a refusal, and return its answer."""
    record = inbound.record
    record.operation, record.outcome = record.operation or ANONYMOUS, error.code
    return error_response(error, media_type)


def error_response(
    error: GatewayError, media_type: str = JSON, *, status: int | None = None
) -> Response:
    """Return `{"errors": [{"message", "extensions"}]}` with the error's status and headers."""
    headers = {"Cache-Control": "no-store", "Vary": VARY, "X-Content-Type-Options": "nosniff"}
    headers |= {**error.headers, **_headers(error.extensions)}
    body = orjson.dumps({"errors": [error.formatted]})
    return Response(body, status or error.http_status, headers, media_type)


def headers_and_status(response: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """Return the headers and the status for one GraphQL response."""
    failures = response.get("errors") or []
    if not failures:
        return {}, 200
    if "data" not in response:
        return {}, 400
    codes = {failure["extensions"]["code"] for failure in failures}
    failed = {failure["path"][0] for failure in failures if len(failure["path"]) == 1}
    if len(codes) > 1 or failed != set(response["data"] or {}):
        return {}, 200
    return _headers(failures[0]["extensions"]), STATUSES.get(codes.pop(), 200)


def _headers(extensions: Mapping[str, object]) -> dict[str, str]:
    headers = {}
    if extensions["code"] == UnauthenticatedError.code:
        headers["WWW-Authenticate"] = _CHALLENGE
    if "retryAfter" in extensions:
        headers["Retry-After"] = str(extensions["retryAfter"])
    return headers
