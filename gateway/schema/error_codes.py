"""Give every error of an answer its code, and keep to ourselves what is nobody's business."""

import logging
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionContext

from gateway.errors import GatewayError, OperationResolutionError, QueryTooComplexError

if TYPE_CHECKING:
    from strawberry.schema.base import BaseSchema as _Base
else:
    _Base = object

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 500
MOST_REQUEST_ERRORS = 5
_SUGGESTION = re.compile(r" Did you mean [^?]*\?")
_TOO_MANY_TOKENS = re.compile(r"more than \d+ tokens|nested too deeply")
_GAVE_UP = "Validation aborted."  # graphql-core, where it would take too long


class CodedErrors(_Base):
    """Mixed into the schema: its `process_errors` sees the errors of every transport.

    Strawberry would log a traceback for each of them, a mistyped field included.
    """

    @staticmethod
    def remove_field_suggestion(error: GraphQLError) -> None:
        """Take out what tells names of the schema; Strawberry's own does so for fields alone."""
        error.message = _SUGGESTION.sub("", error.message)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replace each error, in place, by what the client may see of it."""
        has_result = execution_context is not None and execution_context.result is not None
        if all(error.path is None for error in errors):
            # A document or its variables can be wrong in ten thousand places: the first will do.
            del errors[MOST_REQUEST_ERRORS:]
        errors[:] = [_coded(error, has_result=has_result) for error in errors]


def _coded(error: GraphQLError, *, has_result: bool) -> GraphQLError:
    if error.extensions and "code" in error.extensions:
        return _rewritten(error, error.message, error.extensions)
    if isinstance(error, GraphQLSyntaxError) and _TOO_MANY_TOKENS.search(error.message):
        return _rewritten(error, error.message, {"code": QueryTooComplexError.code})
    if isinstance(error, GraphQLSyntaxError):
        return _rewritten(error, error.message, {"code": "GRAPHQL_PARSE_FAILED"})
    if isinstance(error.original_error, CannotGetOperationTypeError):
        refusal = unresolved(error.original_error)
        return _rewritten(error, str(refusal), refusal.extensions)
    if error.message == _GAVE_UP:
        message = "The query is too complex to be validated."
        return _rewritten(error, message, {"code": QueryTooComplexError.code})
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        # graphql-core's own: about the document before there is a result, then about a value.
        code = "BAD_USER_INPUT" if has_result else "GRAPHQL_VALIDATION_FAILED"
        return _rewritten(error, error.message, {"code": code})
    if not has_result and isinstance(error.original_error, ValueError):
        # graphql-core leaves it to int(), which takes no more than 4300 digits.
        message = "A number in the query has too many digits."
        return _rewritten(error, message, {"code": "GRAPHQL_VALIDATION_FAILED"})
    mask = masked(error.original_error)
    return _rewritten(error, str(mask), mask.extensions)


def unresolved(cause: CannotGetOperationTypeError) -> OperationResolutionError:
    """Say why it is not clear which operation of a document to run."""
    if cause.operation_name:
        return OperationResolutionError(
            f"The document has no operation named {cause.operation_name[:100]!r}."
        )
    return OperationResolutionError(
        "The document has to have one operation, or `operationName` has to name one of several."
    )


def masked(bug: Exception) -> GatewayError:
    """Log a bug in full, and make the error that stands for it: an id to find it by."""
    error_id = secrets.token_hex(8)
    logger.error("The gateway has a fault, errorId %s", error_id, exc_info=bug)
    return GatewayError("The gateway failed here.", errorId=error_id)


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
