"""The HTTP status of a GraphQL answer, for clients that ask for `graphql-response+json`.

When every root field failed for one and the same reason, the answer carries that reason's status,
so that proxies, monitors and token refreshers see the truth.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway import errors
from gateway.errors import GatewayError


def _kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


# Only where a code is declared: what has none of its own inherits one, but not its status.
_STATUS = {k.code: k.http_status for k in _kinds(errors.GatewayError) if "code" in vars(k)}

# No Basic: a browser would open its own log-in window over the page that asked.
_CHALLENGE = 'Bearer realm="SuperOffice", SoTicket realm="SuperOffice"'


def headers_and_status(response: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """Return the headers and the status that one GraphQL response calls for."""
    failures = response.get("errors") or []
    if not failures:
        return {}, 200
    if "data" not in response:
        return {}, 400
    codes = {failure["extensions"]["code"] for failure in failures}
    failed = {failure["path"][0] for failure in failures if len(failure["path"]) == 1}
    if len(codes) > 1 or failed != set(response["data"] or {}):
        return {}, 200
    return _headers(failures[0]["extensions"]), _STATUS.get(codes.pop(), 200)


def _headers(extensions: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    if extensions["code"] == errors.UnauthenticatedError.code:
        headers["WWW-Authenticate"] = _CHALLENGE
    if "retryAfter" in extensions:
        headers["Retry-After"] = str(extensions["retryAfter"])
    return headers
