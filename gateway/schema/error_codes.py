"""Give every error of a response a code, and mask the details of bugs."""

import logging
import re
import secrets
from collections.abc import Mapping

import graphql

from gateway.errors import BadUserInputError, GatewayError, QueryTooComplexError

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 500
MOST_REQUEST_ERRORS = 5
_TOO_MANY_TOKENS = re.compile(r"more than \d+ tokens|nested too deeply")
_INVALID = "GRAPHQL_VALIDATION_FAILED"
_ABORTED = "Validation aborted."  # by graphql-core, when it takes too long


def give_code(error: graphql.GraphQLError, *, is_valid: bool) -> None:
    """Give an error a code and a message for clients; `is_valid` is about the document."""
    message, extensions = _public(error, is_valid=is_valid)
    _forget_frames(error)
    if len(message) > _LONGEST_MESSAGE:
        # graphql-core quotes the client's text in full, which may be a megabyte.
        message = f"{message[:_LONGEST_MESSAGE]}…"
    error.message, error.extensions = message, dict(extensions)


def _forget_frames(error: graphql.GraphQLError) -> None:
    """Break the reference cycles between an error and the frames that it was raised in.

    They would keep the whole request in memory until a full garbage collection.
    """
    pending: list[BaseException | None] = [error]
    while pending:
        if (exc := pending.pop()) is not None and exc.__traceback__ is not None:
            exc.__traceback__ = None
            pending += [exc.__cause__, exc.__context__, getattr(exc, "original_error", None)]


def _public(error: graphql.GraphQLError, *, is_valid: bool) -> tuple[str, Mapping[str, object]]:
    """Return the message and the extensions that the client gets."""
    cause = error.original_error
    if isinstance(error, graphql.GraphQLSyntaxError):
        is_too_complex = _TOO_MANY_TOKENS.search(error.message)
        code = QueryTooComplexError.code if is_too_complex else "GRAPHQL_PARSE_FAILED"
        return error.message, {"code": code}
    if error.message == _ABORTED:
        return "The query is too complex to be validated.", {"code": QueryTooComplexError.code}
    if cause is None or isinstance(cause, graphql.GraphQLError):
        # An error of graphql-core: in the document, or in the variables of a valid one.
        code = BadUserInputError.code if is_valid else _INVALID
        return error.message, {"code": code}
    if not is_valid and isinstance(cause, ValueError):
        # Python's int() accepts at most 4300 digits, and graphql-core does not catch that.
        message = "A number in the query has too many digits."
        return message, {"code": _INVALID}
    mask = masked(cause)
    # graphql-core's message has more: the type, and the value.
    return error.message if mask is cause else str(mask), mask.extensions


def masked(exc: Exception) -> GatewayError:
    """Return a `GatewayError` as it is; log any other, and return an error with the logged id."""
    if isinstance(exc, GatewayError):
        return exc
    error_id = secrets.token_hex(8)
    logger.error("The gateway has a fault, errorId %s", error_id, exc_info=exc)
    return GatewayError("Internal error: the gateway's log has its errorId.", errorId=error_id)
