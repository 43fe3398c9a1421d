"""Give every error of a response its code, and mask the details of bugs."""

import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionContext

from gateway.errors import (
    BadUserInputError,
    GatewayError,
    OperationResolutionError,
    QueryTooComplexError,
)

if TYPE_CHECKING:
    from strawberry.schema.base import BaseSchema as _Base
else:
    _Base = object

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 500
MOST_REQUEST_ERRORS = 5
_SUGGESTION = re.compile(r" Did you mean [^?]*\?")
_TOO_MANY_TOKENS = re.compile(r"more than \d+ tokens|nested too deeply")
_INVALID = "GRAPHQL_VALIDATION_FAILED"
_ABORTED = "Validation aborted."  # by graphql-core, when it takes too long


class CodedErrors(_Base):
    """A mixin of the schema, whose `process_errors` gets the errors of every transport.

    Strawberry's own logs a traceback for each of them, even for a mistyped field.
    """

    @staticmethod
    def remove_field_suggestion(error: GraphQLError) -> None:
        """Remove suggestions, which reveal names; Strawberry's own does so for fields alone."""
        error.message = _SUGGESTION.sub("", error.message)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replace each error, in place, by the one that the client gets."""
        has_result = execution_context is not None and execution_context.result is not None
        if all(error.path is None for error in errors):
            # A document or its variables can have ten thousand errors: the first few are enough.
            del errors[MOST_REQUEST_ERRORS:]
        errors[:] = [_coded(error, has_result=has_result) for error in errors]


def _coded(error: GraphQLError, *, has_result: bool) -> GraphQLError:
    message, extensions = _public(error, has_result=has_result)
    if len(message) > _LONGEST_MESSAGE:
        # graphql-core quotes the client's text in full, which may be a megabyte.
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


def _public(error: GraphQLError, *, has_result: bool) -> tuple[str, Mapping[str, object]]:
    """Return the message and the extensions that the client gets."""
    cause = error.original_error
    if error.extensions and "code" in error.extensions:
        return error.message, error.extensions
    if isinstance(error, GraphQLSyntaxError):
        is_too_complex = _TOO_MANY_TOKENS.search(error.message)
        code = QueryTooComplexError.code if is_too_complex else "GRAPHQL_PARSE_FAILED"
        return error.message, {"code": code}
    if isinstance(cause, CannotGetOperationTypeError):
        refusal = unresolved(cause)
        return str(refusal), refusal.extensions
    if error.message == _ABORTED:
        return "The query is too complex to be validated.", {"code": QueryTooComplexError.code}
    if cause is None or isinstance(cause, GraphQLError):
        # graphql-core's own: about the document before there is a result, then about a value.
        code = BadUserInputError.code if has_result else _INVALID
        return error.message, {"code": code}
    if not has_result and isinstance(cause, ValueError):
        # Python's int() accepts at most 4300 digits, and graphql-core does not catch that.
        message = "A number in the query has too many digits."
        return message, {"code": _INVALID}
    mask = masked(cause)
    return str(mask), mask.extensions


def about_variables(errors: Iterable[GraphQLError]) -> None:
    """Correct the codes where the document is valid: then its variables are not.

    A query has a result that says so, a subscription has none yet.
    """
    for error in errors:
        if error.path is None and error.extensions == {"code": _INVALID}:
            error.extensions = {"code": BadUserInputError.code}


def unresolved(cause: CannotGetOperationTypeError) -> OperationResolutionError:
    """Make the error for a document whose operation is ambiguous or missing."""
    if cause.operation_name:
        return OperationResolutionError(
            f"The document has no operation named {cause.operation_name[:100]!r}."
        )
    return OperationResolutionError(
        "The document has to have one operation, or `operationName` has to name one of several."
    )


def masked(exc: Exception) -> GatewayError:
    """Return an error of ours as it is; log a bug in full, and make an error with an id of it."""
    if isinstance(exc, GatewayError):
        return exc
    error_id = secrets.token_hex(8)
    logger.error("The gateway has a fault, errorId %s", error_id, exc_info=exc)
    return GatewayError("The gateway failed here.", errorId=error_id)
