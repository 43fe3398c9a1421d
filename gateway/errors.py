"""Every error that the gateway raises on purpose.

* GatewayError                    a message that is safe to show, a code, an HTTP status
  + SettingsError                 one line on stderr and exit code 2; at a reload, in the log
    - CannotStartError            exit code 1: a later start may succeed
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
    - UpstreamRejectionError      SuperOffice rejects the caller
      - UpstreamUnauthenticatedError  UNAUTHENTICATED, 401
      - UpstreamForbiddenError    FORBIDDEN, 403
    - UpstreamRateLimitedError    RATE_LIMITED, 429
    - UpstreamTimeoutError        UPSTREAM_TIMEOUT, 504
    - UpstreamUnavailableError    UPSTREAM_UNAVAILABLE, 503
      - UpstreamInterruptedError  the connection broke within an answer
      - TenantNotRunningError
    - UpstreamBadResponseError    UPSTREAM_BAD_RESPONSE, 502

Any other exception is a bug: clients get `INTERNAL_SERVER_ERROR` and an id, the log gets the id and
the traceback. A message never holds SuperOffice's address, a body or the text of an exception.
"""

from collections.abc import Mapping
from types import MappingProxyType

STATUSES = {"INTERNAL_SERVER_ERROR": 500}
"""The HTTP status of each code, from the class that declares the code."""


class GatewayError(Exception):
    """The base class; its message is written for the client.

    graphql-core copies `extensions` of a resolver's exception into the answer.
    """

    code = "INTERNAL_SERVER_ERROR"
    http_status = 500
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers that an HTTP answer with this status must have."""

    def __init_subclass__(cls, *, code: str = "", status: int = 0) -> None:
        if status:
            cls.http_status = status
        if code:
            cls.code = code
            STATUSES[code] = cls.http_status

    def __init__(self, message: str, **extensions: object) -> None:
        super().__init__(message)
        self.extensions: dict[str, object] = {"code": self.code, **extensions}

    @property
    def formatted(self) -> dict[str, object]:
        """The entry of `errors` in a response (GraphQL spec, section 7.1.2)."""
        return {"message": str(self), "extensions": self.extensions}


class SettingsError(GatewayError):
    """A setting is missing, unknown or invalid: the gateway does not start."""

    exit_code = 2


class CannotStartError(SettingsError):
    """The gateway cannot start now, perhaps for lack of memory; no setting is at fault."""

    exit_code = 1


class RequestError(GatewayError, status=400):
    """The client has to change its request."""


class BadRequestError(RequestError, code="BAD_REQUEST"):
    """Not a GraphQL-over-HTTP request."""


class BadUserInputError(RequestError, code="BAD_USER_INPUT"):
    """An argument or a variable has an invalid value."""


class BodyTooLargeError(BadRequestError, status=413):
    """The request's body is too large (RFC 9110, section 15.5.14)."""


class BodyTooSlowError(BadRequestError, status=408):
    """The request's body arrives too slowly (RFC 9110, section 15.5.9)."""


class NotAcceptableError(BadRequestError, status=406):
    """The client accepts no media type that we have (RFC 9110, section 15.5.7)."""


class MethodNotAllowedError(BadRequestError, status=405):
    """The method is not allowed for this operation (RFC 9110, section 15.5.6)."""

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.headers = {"Allow": allow}


class OriginRefusedError(BadRequestError, status=403):
    """A page of another site opens a WebSocket (RFC 6455, section 10.2)."""


class UnsupportedMediaTypeError(BadRequestError, status=415):
    """The body has an unsupported media type (RFC 9110, section 15.5.16)."""


class TenantMissingError(BadRequestError):
    """The request names no tenant."""

    def __init__(self) -> None:
        super().__init__(
            "The request names no tenant: post to /graphql/Cust12345, or send X-Tenant: Cust12345."
        )


class TenantNotFoundError(BadRequestError, status=404):
    """There is no such tenant, or it is not served."""

    def __init__(self) -> None:
        super().__init__("There is no such tenant.")


class QueryTooComplexError(RequestError, code="QUERY_TOO_COMPLEX"):
    """A query exceeds a limit."""


class PersistedQueryNotFoundError(RequestError, code="PERSISTED_QUERY_NOT_FOUND", status=200):
    """The hash of a query is unknown: the client has to send the text of the query once.

    Apollo's clients do so only if the HTTP status is a success.
    """


class PersistedQueryNotSupportedError(
    RequestError, code="PERSISTED_QUERY_NOT_SUPPORTED", status=200
):
    """The client sent the hash of a query alone, and persisted queries are off."""


class OperationResolutionError(RequestError, code="OPERATION_RESOLUTION_FAILURE"):
    """No operation of the document is selected."""


class RequestTimeoutError(GatewayError, code="UPSTREAM_TIMEOUT", status=504):
    """A request took longer than `request_timeout`."""


class UnauthenticatedError(RequestError, code="UNAUTHENTICATED", status=401):
    """The request has no credentials of a supported kind."""


class TooManyOpenError(RequestError, code="RATE_LIMITED", status=429):
    """The client has reached the limit on open sockets, streams or operations."""


class GatewayFullError(TooManyOpenError, status=503):
    """This process has reached the limit on open sockets and streams."""


class UpstreamError(GatewayError, code="UPSTREAM_ERROR", status=502):
    """SuperOffice did not return the sessions.

    In `extensions`: `upstreamStatus`, if there was an answer; `retryAfter`, in whole seconds, if it
    is known (RFC 9110, section 10.2.3).
    """

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        retry_after_s: int | None = None,
        call_was_made: bool = True,
    ) -> None:
        known = {"upstreamStatus": upstream_status, "retryAfter": retry_after_s}
        super().__init__(message, **{k: v for k, v in known.items() if v is not None})
        self.retry_after_s = retry_after_s
        self.call_was_made = call_was_made

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later: not after a 3xx, or a 4xx except 421 and 429."""
        status = self.extensions.get("upstreamStatus")
        return not isinstance(status, int) or not 300 <= status < 500 or status in {421, 429}


class UpstreamRejectionError(UpstreamError):
    """SuperOffice rejects the caller."""


class UpstreamUnauthenticatedError(UpstreamRejectionError, code="UNAUTHENTICATED", status=401):
    """SuperOffice does not accept the caller's credentials (401)."""


class UpstreamMisdirectedError(UpstreamError):
    """The tenant is at another host (421; RFC 9110, section 15.5.20)."""


class UpstreamForbiddenError(UpstreamRejectionError, code="FORBIDDEN", status=403):
    """SuperOffice knows the caller and denies the call (403)."""


class UpstreamRateLimitedError(UpstreamError, code="RATE_LIMITED", status=429):
    """SuperOffice asks to slow down (429), or a rate limit of the gateway is exceeded."""


class UpstreamTimeoutError(UpstreamError, code="UPSTREAM_TIMEOUT", status=504):
    """SuperOffice did not answer within the deadline of the call."""


class UpstreamUnavailableError(UpstreamError, code="UPSTREAM_UNAVAILABLE", status=503):
    """SuperOffice cannot be reached, or answers that it is out of service.

    Or it is not called: the circuit breaker is open, or too many calls wait.
    """


class UpstreamInterruptedError(UpstreamUnavailableError):
    """The connection broke within the body of an answer."""


class TenantNotRunningError(UpstreamUnavailableError):
    """The tenant is suspended, in maintenance or similar: see `tenantState` in `extensions`."""

    def __init__(self, tenant: str, state: str) -> None:
        super().__init__(f"{tenant} is not running: its state is {state}.")
        self.extensions["tenantState"] = state


class UpstreamBadResponseError(UpstreamError, code="UPSTREAM_BAD_RESPONSE", status=502):
    """SuperOffice's answer is not a JSON array of sessions."""


def described(exc: UpstreamError) -> str:
    """Describe a failure for the log; causes by type alone, as their messages hold addresses."""
    kinds = []
    cause: BaseException | None = exc.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return f"{exc.extensions['code']}, {exc} {' < '.join(kinds)}".strip()
