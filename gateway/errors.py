"""Every error that the gateway raises on purpose.

* GatewayError                    a message that is safe to show, a code, an HTTP status
  + SettingsError                 start-up only: one line on stderr, exit code 2
  + RequestTimeoutError           UPSTREAM_TIMEOUT, 504
  + RequestError                  the client's fault
    - BadRequestError             BAD_REQUEST, 400
      · BodyTooLargeError 413 · BodyTooSlowError 408 · MethodNotAllowedError 405
      · NotAcceptableError 406 · UnsupportedMediaTypeError 415 · OriginRefusedError 403
      · TenantMissingError · TenantNotFoundError 404
    - BadUserInputError           BAD_USER_INPUT, 400
    - QueryTooComplexError        QUERY_TOO_COMPLEX, 400
    - OperationResolutionError    OPERATION_RESOLUTION_FAILURE, 400
    - PersistedQueryNotFoundError, PersistedQueryNotSupportedError
    - UnauthenticatedError        UNAUTHENTICATED, 401
    - TooManyOpenError            RATE_LIMITED, 429 · GatewayFullError 503
  + UpstreamError                 UPSTREAM_ERROR, 502: any status without a code of its own
    - UpstreamMisdirectedError    UPSTREAM_ERROR: the tenant is at another host
    - UpstreamUnauthenticatedError  UNAUTHENTICATED, 401
    - UpstreamForbiddenError      FORBIDDEN, 403
    - UpstreamRateLimitedError    RATE_LIMITED, 429
    - UpstreamTimeoutError        UPSTREAM_TIMEOUT, 504
    - UpstreamUnavailableError    UPSTREAM_UNAVAILABLE, 503
      - UpstreamInterruptedError  the connection broke within an answer
      - UpstreamNotCalledError    the call was not made
      - TenantNotRunningError
    - UpstreamBadResponseError    UPSTREAM_BAD_RESPONSE, 502

Any other exception is a bug: clients get `INTERNAL_SERVER_ERROR` and an id, the log gets the id and
the traceback. A message never holds SuperOffice's address, a body or the text of an exception.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class GatewayError(Exception):
    """The base class; its message is written for the client.

    graphql-core copies `extensions` of a resolver's exception into the answer.
    """

    code = "INTERNAL_SERVER_ERROR"
    http_status = 500
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers that an HTTP answer with this status must have."""

    def __init__(self, message: str, **extensions: Any) -> None:
        super().__init__(message)
        self.extensions: dict[str, Any] = {"code": self.code, **extensions}

    @property
    def formatted(self) -> dict[str, Any]:
        """The entry of `errors` in a response (GraphQL spec, section 7.1.2)."""
        return {"message": str(self), "extensions": self.extensions}


class SettingsError(GatewayError):
    """A setting is missing, unknown or wrong: the gateway does not start."""


class RequestError(GatewayError):
    """The client has to change its request."""

    http_status = 400


class BadRequestError(RequestError):
    """Not a GraphQL-over-HTTP request."""

    code = "BAD_REQUEST"


class BadUserInputError(RequestError):
    """An argument or a variable has an invalid value."""

    code = "BAD_USER_INPUT"


class BodyTooLargeError(BadRequestError):
    """The request's body is too large (RFC 9110, section 15.5.14)."""

    http_status = 413


class BodyTooSlowError(BadRequestError):
    """The request's body arrives too slowly (RFC 9110, section 15.5.9)."""

    http_status = 408


class NotAcceptableError(BadRequestError):
    """The client accepts no media type that we have (RFC 9110, section 15.5.7)."""

    http_status = 406


class MethodNotAllowedError(BadRequestError):
    """The method is not allowed for this operation (RFC 9110, section 15.5.6)."""

    http_status = 405

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.headers = {"Allow": allow}


class OriginRefusedError(BadRequestError):
    """A page of another site opens a WebSocket (RFC 6455, section 10.2)."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            "Pages of this site may not open a WebSocket here: its origin is not in "
            "GATEWAY_CORS_ORIGINS."
        )


class UnsupportedMediaTypeError(BadRequestError):
    """The body has an unsupported media type (RFC 9110, section 15.5.16)."""

    http_status = 415


class TenantMissingError(BadRequestError):
    """The request names no tenant."""

    def __init__(self) -> None:
        super().__init__(
            "The request names no tenant: post to /graphql/Cust12345, or send X-Tenant: Cust12345."
        )


class TenantNotFoundError(BadRequestError):
    """There is no such tenant, or it is not served: the client does not learn which."""

    http_status = 404

    def __init__(self) -> None:
        super().__init__("There is no such tenant.")


class QueryTooComplexError(RequestError):
    """A query exceeds a limit."""

    code = "QUERY_TOO_COMPLEX"


class PersistedQueryNotFoundError(RequestError):
    """The hash of a query is unknown: the client has to send the query once."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 200  # Apollo's clients send the query then, and only if this is no HTTP error


class PersistedQueryNotSupportedError(RequestError):
    """The client sent the hash of a query, and persisted queries are off."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    http_status = 200


class OperationResolutionError(RequestError):
    """No operation of the document is selected, or not one for this transport."""

    code = "OPERATION_RESOLUTION_FAILURE"


class RequestTimeoutError(GatewayError):
    """A request took longer than `request_timeout`."""

    code = "UPSTREAM_TIMEOUT"
    http_status = 504

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"The request took longer than {timeout_s:g} seconds.")


class UnauthenticatedError(RequestError):
    """The request has no credentials of a supported kind."""

    code = "UNAUTHENTICATED"
    http_status = 401


class TooManyOpenError(RequestError):
    """The client has the maximum of sockets, streams or operations open."""

    code = "RATE_LIMITED"
    http_status = 429


class GatewayFullError(TooManyOpenError):
    """This process has the maximum of sockets and streams open."""

    http_status = 503


class UpstreamError(GatewayError):
    """SuperOffice did not return the sessions.

    In `extensions`: `upstreamStatus`, if there was an answer; `retryAfter`, in whole seconds, if it
    is known (RFC 9110, section 10.2.3).
    """

    code = "UPSTREAM_ERROR"
    http_status = 502

    def __init__(
        self, message: str, *, upstream_status: int | None = None, retry_after_s: int | None = None
    ) -> None:
        known = {"upstreamStatus": upstream_status, "retryAfter": retry_after_s}
        super().__init__(message, **{k: v for k, v in known.items() if v is not None})
        self.retry_after_s = retry_after_s

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later: not after a refusal by SuperOffice."""
        status = self.extensions.get("upstreamStatus")
        return status is None or status < 300 or status >= 500 or status == 429


class UpstreamUnauthenticatedError(UpstreamError):
    """SuperOffice does not accept the caller's credentials (401)."""

    code = "UNAUTHENTICATED"
    http_status = 401


class UpstreamMisdirectedError(UpstreamError):
    """The tenant is at another host (421; RFC 9110, section 15.5.20)."""


class UpstreamForbiddenError(UpstreamError):
    """SuperOffice knows the caller and denies the call (403)."""

    code = "FORBIDDEN"
    http_status = 403


class UpstreamRateLimitedError(UpstreamError):
    """SuperOffice asks to slow down (429)."""

    code = "RATE_LIMITED"
    http_status = 429


class UpstreamHeldOffError(UpstreamRateLimitedError):
    """The call was not made: this caller is rate-limited."""


class UpstreamTimeoutError(UpstreamError):
    """SuperOffice did not answer within the deadline of the call."""

    code = "UPSTREAM_TIMEOUT"
    http_status = 504


class UpstreamUnavailableError(UpstreamError):
    """SuperOffice cannot be reached, or answers that it is out of service."""

    code = "UPSTREAM_UNAVAILABLE"
    http_status = 503


class UpstreamInterruptedError(UpstreamUnavailableError):
    """The connection broke within the body of an answer."""


class UpstreamNotCalledError(UpstreamUnavailableError):
    """The call was not made: calls keep failing, or too many wait."""


class TenantNotRunningError(UpstreamUnavailableError):
    """The tenant is suspended, in maintenance or the like: `tenantState` in `extensions`."""

    def __init__(self, tenant: str, state: str) -> None:
        super().__init__(f"{tenant} does not run at the moment: its state is {state}.")
        self.extensions["tenantState"] = state


class UpstreamBadResponseError(UpstreamError):
    """SuperOffice's answer is not a JSON array of sessions."""

    code = "UPSTREAM_BAD_RESPONSE"
    http_status = 502
