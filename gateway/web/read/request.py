"""Parse requests into operations, by the same rules on every transport.

POST, GET, each item of a batch, event streams and each `subscribe` on a WebSocket go through
`Reader.operation`, so their errors are the same, too.
Source: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, TypeVar

import orjson
from starlette.requests import HTTPConnection, Request

from gateway.errors import BadRequestError, GatewayError, UnsupportedMediaTypeError
from gateway.executor.turns import Turns
from gateway.schema.engine import Operation
from gateway.schema.guard.documents import Document
from gateway.settings import Settings
from gateway.web.read.body import read_body
from gateway.web.read.persisted import DocumentsById

T = TypeVar("T")
OperationOrError: TypeAlias = Operation | GatewayError

_CREDENTIAL = re.compile(
    r"access_token|authorization|bearer|password|so-apptoken|soticket|ticket|token|"
    r"(?:x-)?xsrf[-_]token",
    re.IGNORECASE,
)

# Each field with a variable as its argument reads all values in it, and every field that the types
# of its objects have.
_MOST_WEIGHT = 2_000
_MOST_COPIED_WEIGHT = 5 * _MOST_WEIGHT
_WEIGHT_OF_OBJECT = 10
_STEPS_OF_WEIGHT = 3
_DEEPEST_VARIABLES = 20

_MOST_VALUES = 50_000
"""The most values in JSON, by its commas and brackets: lists of no values take 13 MB."""

_KEYS = ("query", "variables", "operationName", "extensions", "documentId", "doc_id", "id")
_MOST_PARAMETERS = 100
"""The most parameters of a URL."""

_INTROSPECTION = re.compile(r"\b__(?:schema|type)\b")
_KINDS: dict[type, str] = {str: "a string", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads operations, within limits: bytes of a body and of variables, operations of a batch.

    `validated` returns the document of a query, parsed and validated.
    """

    documents: DocumentsById
    validated: Callable[[str], Awaitable[Document]]
    settings: Settings

    async def request(self, request: Request) -> OperationOrError | list[OperationOrError]:
        """Return the operation of an HTTP request, or those of a batch.

        An operation that cannot be read is replaced by its error.

        Raises:
            BadRequestError: the request is not GraphQL over HTTP, or exceeds a limit.
        """
        if request.method == "GET":
            return await self._operation_or_error(needed(_from_query(request)))
        _check_content_type(request)
        most = self.settings.max_body_bytes
        # No variable holds the body: what follows may take long.
        parsed = from_json(await read_body(request, max_bytes=most), "The request's body")
        if isinstance(parsed, list):
            return await self._batch(parsed)
        parsed = needed(parsed)
        return await self._operation_or_error(parsed)

    async def _operation_or_error(self, data: object) -> OperationOrError:
        try:
            return await self.operation(data)
        except GatewayError as exc:
            return exc

    async def operation(self, data: object) -> Operation:
        """Return the operation in a parsed JSON object.

        Raises:
            BadRequestError: it has the wrong shape, or exceeds a limit.
            PersistedQueryNotFoundError, PersistedQueryNotSupportedError: for documents by id.
        """
        if not isinstance(data, dict):
            raise BadRequestError("A GraphQL request has to be a JSON object.")
        query = _typed(data, "query", str)
        variables = _typed(data, "variables", dict)
        name = _typed(data, "operationName", str)
        extensions = _typed(data, "extensions", dict)
        weight, variables_bytes = self._measured(variables) if variables else (0, 0)
        await Turns().spend(_STEPS_OF_WEIGHT * weight)
        query, store = await self.documents.find(query or None, data, extensions or {})
        if not query:
            raise BadRequestError("The request has no `query`.")
        document = await self.validated(query)
        operation = Operation(document, variables, name or None, store, variables_bytes)
        if variables:
            _check_copies(document.places, variables)
            for undeclared in variables.keys() - operation.declared:
                del variables[undeclared]  # it would be held while a subscription runs
        return operation

    async def _batch(self, parsed: list[object]) -> list[OperationOrError]:
        most = self.settings.max_batch
        if not most:
            raise BadRequestError("Batches are not accepted: send one operation per request.")
        if not 0 < len(parsed) <= most:
            raise BadRequestError(
                f"The batch has {len(parsed)} operations; 1 to {most} may be sent."
            )
        parsed[:] = map(needed, parsed)
        operations: list[OperationOrError] = []
        has_introspection = False
        for item in parsed:
            operation = await self._operation_or_error(item)
            if isinstance(operation, Operation) and _INTROSPECTION.search(operation.document.text):
                if has_introspection:
                    operation = BadRequestError("Only one operation of a batch may introspect.")
                has_introspection = True
            operations.append(operation)
        return operations

    def _measured(self, variables: Mapping[str, object]) -> tuple[int, int]:
        """Return the weight of variables and their size as JSON."""
        depth, weight = _depth_and_weight(variables)
        if depth > _DEEPEST_VARIABLES:
            raise BadRequestError(
                f"The variables are nested more than {_DEEPEST_VARIABLES} levels deep."
            )
        if weight > _MOST_WEIGHT:
            raise BadRequestError(
                f"The variables have too many values: at most {_MOST_WEIGHT} are accepted, and an "
                f"object counts as {_WEIGHT_OF_OBJECT}."
            )
        size, most = len(orjson.dumps(variables)), self.settings.max_variables_bytes
        if size > most:
            raise BadRequestError(f"The variables have {size} bytes; at most {most} are accepted.")
        return weight, size


def from_json(text: str | bytes, what: str) -> object:
    """Parse JSON; a byte order mark before it is skipped (RFC 8259, section 8.1).

    Raises:
        BadRequestError: it is not valid JSON, or has too many values.
    """
    raw = text.encode() if isinstance(text, str) else text
    if sum(map(raw.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise BadRequestError(f"{what} has too many values: at most {_MOST_VALUES} are accepted.")
    try:
        return orjson.loads(raw.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as exc:
        raise BadRequestError(f"{what} is not valid JSON.") from exc


def needed(parsed: object) -> object:
    """Drop what is never read of an operation: it would be held while that waits."""
    if not isinstance(parsed, dict):
        return None if isinstance(parsed, list) else parsed
    kept = {key: parsed[key] for key in _KEYS if key in parsed}
    if isinstance(extensions := kept.get("extensions"), dict):
        kept["extensions"] = {k: v for k, v in extensions.items() if k == "persistedQuery"}
    return kept


def refuse_credentials_in_url(request: HTTPConnection) -> None:
    """Keep credentials out of URLs, which end up in logs, histories and Referer headers.

    Raises:
        BadRequestError: a parameter of the URL is named like a credential, or there are too many.
    """
    if not request.scope["query_string"]:
        return
    if request.scope["query_string"].count(b"&") >= _MOST_PARAMETERS:
        raise BadRequestError(f"The URL has more than {_MOST_PARAMETERS} parameters.")
    for name in request.query_params:
        if _CREDENTIAL.fullmatch(name):
            raise BadRequestError(
                f"`{name}` must not be in the URL: URLs are logged and remembered. Send "
                "credentials as headers, or in the payload of connection_init."
            )


def _check_copies(places: Mapping[str, int], variables: Mapping[str, object]) -> None:
    weights = ((_depth_and_weight(variables.get(name))[1], n) for name, n in places.items())
    if sum(weight * times for weight, times in weights) > _MOST_COPIED_WEIGHT:
        raise BadRequestError(
            "The variables have too many values for a query that uses them in "
            f"{sum(places.values())} places in lists and objects."
        )


def _from_query(request: Request) -> dict[str, object]:
    data: dict[str, object] = dict(request.query_params)
    for name in ("variables", "extensions"):
        text = request.query_params.get(name)
        data[name] = from_json(text, f"`{name}`") if text else None
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


def _typed(data: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = data.get(name)
    if value is not None and not isinstance(value, kind):
        raise BadRequestError(f"`{name}` has to be {_KINDS[kind]} or null.")
    return value


def _depth_and_weight(value: object) -> tuple[int, int]:
    """Return the depth and the weight of a value; stop when one exceeds its limit."""
    depth, weight, left = 0, 0, [(value, 1)]
    while left and depth <= _DEEPEST_VARIABLES and weight <= _MOST_WEIGHT:
        value, level = left.pop()
        weight += _WEIGHT_OF_OBJECT if isinstance(value, dict) else 1
        if isinstance(value, dict | list):
            depth = max(depth, level)
            inner = value.values() if isinstance(value, dict) else value
            left += [(item, level + 1) for item in islice(inner, _MOST_WEIGHT)]
    return depth, weight
