"""From an HTTP request to the operations it asks for, or a clear refusal.

Source: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import HTTPConnection, Request
from strawberry.http import GraphQLRequestData

from gateway.errors import (
    BadRequestError,
    GatewayError,
    UnsupportedMediaTypeError,
)
from gateway.web.read.body import read_body
from gateway.web.read.persisted import Documents

__all__ = ["RefusedOperation", "RequestLimits", "RequestReader", "refuse_credentials_in_url"]

_CREDENTIALS = frozenset(
    {
        "access_token",
        "authorization",
        "bearer",
        "password",
        "so-apptoken",
        "soticket",
        "ticket",
        "token",
        "x-xsrf-token",
        "xsrf-token",
        "xsrf_token",
    }
)

# Each field that takes a variable looks at all of it, and for an object at all that it may have.
_MOST_WEIGHT = 2_000
_WEIGHT_OF_OBJECT = 10

_INTROSPECTION = re.compile(r"\b__(?:schema|type)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """The most that a request may bring."""

    body_bytes: int = 2**20
    batch: int = 8
    variables_bytes: int = 64 * 2**10
    variables_depth: int = 20


@dataclass
class RefusedOperation(GraphQLRequestData):
    """One operation that is answered with an error of its own; others in its batch are not."""

    error: GatewayError | None = None


class RequestReader:
    """Reads the operations of a request, within limits and out of the known documents."""

    def __init__(self, limits: RequestLimits, documents: Documents) -> None:
        self._limits = limits
        self._documents = documents

    async def read(self, request: Request) -> GraphQLRequestData | list[GraphQLRequestData]:
        """Return what the request asks for: one operation, or a batch of them.

        Raises:
            BadRequestError: it is no GraphQL request, or larger than it may be.
        """
        if request.method == "GET":
            return await self._operation(_from_query(request))
        _check_content_type(request)
        body = await read_body(request, max_bytes=self._limits.body_bytes)
        parsed = _json(body, "The request's body")
        if isinstance(parsed, list):
            return await self._batch(parsed)
        if not isinstance(parsed, dict):
            raise BadRequestError("The request's body has to be a JSON object.")
        return await self._operation(parsed)

    async def _batch(self, parsed: list[Any]) -> list[GraphQLRequestData]:
        most = self._limits.batch
        if not most:
            raise BadRequestError("Batches are not accepted: send one operation per request.")
        if not 0 < len(parsed) <= most:
            raise BadRequestError(
                f"The batch has {len(parsed)} operations; 1 to {most} may be sent."
            )
        if not all(isinstance(item, dict) for item in parsed):
            raise BadRequestError("Each operation of a batch has to be a JSON object.")
        operations = [await self._operation(item) for item in parsed]
        if sum(bool(_INTROSPECTION.search(operation.query or "")) for operation in operations) > 1:
            raise BadRequestError("Only one operation of a batch may ask for the schema.")
        return operations

    async def _operation(self, data: Mapping[str, Any]) -> GraphQLRequestData:
        query = _typed(data, "query", str)
        variables = _typed(data, "variables", dict)
        operation_name = _typed(data, "operationName", str)
        extensions = _typed(data, "extensions", dict)
        self.check_variables(variables or {})
        try:
            query = await self._documents.find(query, data, extensions or {})
        except GatewayError as exc:
            return RefusedOperation(query, variables, operation_name, extensions, error=exc)
        if not query:
            raise BadRequestError("The request has no `query`.")
        return GraphQLRequestData(query, variables, operation_name or None, extensions)

    def check_variables(self, variables: Mapping[str, Any]) -> None:
        """Check the size of an operation's variables.

        Raises:
            BadRequestError: they are larger, or nested deeper, than they may be.
        """
        if not variables:
            return
        deepest = self._limits.variables_depth
        if _is_deeper(variables, deepest):
            raise BadRequestError(f"The variables are nested more than {deepest} levels deep.")
        if _weight(variables, _MOST_WEIGHT) > _MOST_WEIGHT:
            raise BadRequestError(
                f"The variables have too many values: at most {_MOST_WEIGHT} are accepted, and an "
                f"object counts as {_WEIGHT_OF_OBJECT}."
            )
        size = len(orjson.dumps(variables))
        if size > self._limits.variables_bytes:
            raise BadRequestError(
                f"The variables have {size} bytes; at most {self._limits.variables_bytes} are "
                "accepted."
            )


def refuse_credentials_in_url(request: HTTPConnection) -> None:
    """Keep credentials out of URLs, which end up in logs, histories and Referer headers.

    Raises:
        BadRequestError: a parameter of the URL is named like a credential.
    """
    if not request.scope["query_string"]:
        return
    for name in request.query_params:
        if name.lower() in _CREDENTIALS:
            raise BadRequestError(
                f"`{name}` must not be in the URL: URLs are logged and remembered. Send "
                "credentials as headers, or in the payload of connection_init."
            )


def _from_query(request: Request) -> dict[str, Any]:
    data: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in data:
            data[name] = _json(data[name], f"`{name}`") if data[name] else None
    return data


def _check_content_type(request: Request) -> None:
    media_type, *parameters = (
        part.strip().lower() for part in request.headers.get("content-type", "").split(";")
    )
    charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if media_type != "application/json":
        raise UnsupportedMediaTypeError("The request's Content-Type has to be application/json.")
    if charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaTypeError("The request's JSON has to be in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("The request's body must not be compressed.")


def _json(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise BadRequestError(f"{what} is not valid JSON.") from exc


_KINDS: dict[type, str] = {str: "a string", dict: "an object"}


def _typed(data: Mapping[str, Any], name: str, kind: type) -> Any:
    value = data.get(name)
    if value is not None and not isinstance(value, kind):
        raise BadRequestError(f"`{name}` has to be {_KINDS[kind]} or null.")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, dict | list) for value in level)


def _weight(value: Any, most: int) -> int:
    """Weigh a value with all that is in it; past `most` no more is added."""
    weight, left = 0, [value]
    while left and weight <= most:
        match left.pop():
            case dict(fields):
                weight += _WEIGHT_OF_OBJECT
                left += fields.values()
            case list(items):
                weight += 1
                left += items
            case _:
                weight += 1
    return weight
