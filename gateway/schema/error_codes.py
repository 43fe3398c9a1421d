"""Give every error of an answer its code, and keep to ourselves what is nobody's business."""

import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.types import ExecutionContext

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from strawberry.schema.base import BaseSchema as _Base
else:
    _Base = object

__all__ = ["CodedErrors"]

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 500
_MOST_REQUEST_ERRORS = 5


class CodedErrors(_Base):
    """Mixed into the schema: its `process_errors` sees the errors of every transport.

    Strawberry would log a traceback for each of them, a mistyped field included.
    """

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replace each error, in place, by what the client may see of it."""
        has_result = execution_context is not None and execution_context.result is not None
        if all(error.path is None for error in errors):
            # A document or its variables can be wrong in ten thousand places: the first will do.
            del errors[_MOST_REQUEST_ERRORS:]
        errors[:] = [_coded(error, has_result=has_result) for error in errors]


def _coded(error: GraphQLError, *, has_result: bool) -> GraphQLError:
    if error.extensions and "code" in error.extensions:
        return _rewritten(error, error.message, error.extensions)
    if isinstance(error, GraphQLSyntaxError):
        return _rewritten(error, error.message, {"code": "GRAPHQL_PARSE_FAILED"})
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        # graphql-core's own: about the document before there is a result, then about a value.
        code = "BAD_USER_INPUT" if has_result else "GRAPHQL_VALIDATION_FAILED"
        return _rewritten(error, error.message, {"code": code})
    return _masked(error, error.original_error)


def _masked(error: GraphQLError, bug: Exception) -> GraphQLError:
    error_id = secrets.token_hex(8)
    logger.error("A resolver failed, errorId %s", error_id, exc_info=bug)
    extensions = {"code": GatewayError.code, "errorId": error_id}
    return _rewritten(error, "The gateway failed to answer this field.", extensions)


def _rewritten(error: GraphQLError, message: str, extensions: Mapping[str, object]) -> GraphQLError:
    if len(message) > _LONGEST_MESSAGE:
        # graphql-core quotes the client's text in full, and that may be a megabyte.
        message = f"{message[:_LONGEST_MESSAGE]}…"
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions=dict(extensions),
    )
