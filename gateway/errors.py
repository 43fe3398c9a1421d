"""Every error the gateway raises on purpose.

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
  + UpstreamError                 UPSTREAM_ERROR, 502: any REST status without a code of its own
    - UpstreamMisdirectedError    UPSTREAM_ERROR: the tenant is at another host
    - UpstreamUnauthenticatedError  UNAUTHENTICATED, 401
    - UpstreamForbiddenError      FORBIDDEN, 403
    - UpstreamRateLimitedError    RATE_LIMITED, 429
    - UpstreamTimeoutError        UPSTREAM_TIMEOUT, 504
    - UpstreamUnavailableError    UPSTREAM_UNAVAILABLE, 503
      - UpstreamInterruptedError  the connection broke within an answer
      - UpstreamNotCalledError    REST was spared the call
      - TenantNotRunningError
    - UpstreamBadResponseError    UPSTREAM_BAD_RESPONSE, 502

Whatever else is raised is a bug: clients get `INTERNAL_SERVER_ERROR` and an id, the log gets the
id and the traceback. A message never holds REST's address, its body or the text of an exception.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class GatewayError(Exception):
    """Raised on purpose; its message is written for the client.

    graphql-core copies `extensions` of whatever a resolver raises into the answer's error.
    """

    code = "INTERNAL_SERVER_ERROR"
    http_status = 500
    headers: Mapping[str, str] = MappingProxyType({})
    """What an HTTP answer with this status has to carry."""

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
    """An argument or a variable has a value that cannot be used."""

    code = "BAD_USER_INPUT"


class BodyTooLargeError(BadRequestError):
    """The request's body is larger than it may be (RFC 9110, section 15.5.14)."""

    http_status = 413


class BodyTooSlowError(BadRequestError):
    """The request's body does not arrive (RFC 9110, section 15.5.9)."""

    http_status = 408


class NotAcceptableError(BadRequestError):
    """The client takes no media type we have (RFC 9110, section 15.5.7)."""

    http_status = 406


class MethodNotAllowedError(BadRequestError):
    """The method is not one for this operation (RFC 9110, section 15.5.6)."""

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
    """The body is of a media type that is not read here (RFC 9110, section 15.5.16)."""

    http_status = 415


class TenantMissingError(BadRequestError):
    """The request does not say which tenant it is for."""

    def __init__(self) -> None:
        super().__init__(
            "The request names no tenant: post to /graphql/Cust12345, or send X-Tenant: Cust12345."
        )


class TenantNotFoundError(BadRequestError):
    """There is no such tenant, or none that may be asked for here: which of the two is not said."""

    http_status = 404

    def __init__(self) -> None:
        super().__init__("There is no such tenant.")


class QueryTooComplexError(RequestError):
    """A query asks for more than a limit allows."""

    code = "QUERY_TOO_COMPLEX"


class PersistedQueryNotFoundError(RequestError):
    """The client names a query by its hash, and has to send it once in full."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 200  # Apollo's clients send the query then, and only if this is no HTTP error


class PersistedQueryNotSupportedError(RequestError):
    """The client names a query by its hash, and that is switched off."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    http_status = 200


class OperationResolutionError(RequestError):
    """It is not clear which operation of a document to run, or this is not the way to run it."""

    code = "OPERATION_RESOLUTION_FAILURE"


class RequestTimeoutError(GatewayError):
    """A request took longer than any may."""

    code = "UPSTREAM_TIMEOUT"
    http_status = 504

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"The request took longer than {timeout_s:g} seconds.")


class UnauthenticatedError(RequestError):
    """The request brings no credentials that REST would understand."""

    code = "UNAUTHENTICATED"
    http_status = 401


class TooManyOpenError(RequestError):
    """The client has as many sockets, streams or operations open as it may have."""

    code = "RATE_LIMITED"
    http_status = 429


class GatewayFullError(TooManyOpenError):
    """All clients together have as many sockets and streams open as this process serves."""

    http_status = 503


class UpstreamError(GatewayError):
    """REST did not give the sessions.

    In `extensions`: `upstreamStatus`, its status where it answered; `retryAfter`, whole seconds
    where it is known how long to wait (RFC 9110, section 10.2.3).
    """

    code = "UPSTREAM_ERROR"
    http_status = 502

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        known = {"upstreamStatus": upstream_status, "retryAfter": retry_after_s}
        super().__init__(message, **{k: v for k, v in known.items() if v is not None})
        self.retry_after_s = retry_after_s

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may well succeed later: not where REST has decided about it."""
        status = self.extensions.get("upstreamStatus")
        return status is None or status < 300 or status >= 500 or status == 429


class UpstreamUnauthenticatedError(UpstreamError):
    """REST does not accept the caller's credentials (401)."""

    code = "UNAUTHENTICATED"
    http_status = 401


class UpstreamMisdirectedError(UpstreamError):
    """The tenant is at another host (421; RFC 9110, section 15.5.20)."""


class UpstreamForbiddenError(UpstreamError):
    """REST knows the caller and denies the call (403)."""

    code = "FORBIDDEN"
    http_status = 403


class UpstreamRateLimitedError(UpstreamError):
    """REST asks to slow down (429)."""

    code = "RATE_LIMITED"
    http_status = 429


class UpstreamHeldOffError(UpstreamRateLimitedError):
    """The gateway did not call REST: it has asked this caller to slow down, not long ago."""


class UpstreamTimeoutError(UpstreamError):
    """REST did not answer within the deadline of the call."""

    code = "UPSTREAM_TIMEOUT"
    http_status = 504


class UpstreamUnavailableError(UpstreamError):
    """REST cannot be reached, or says itself that it is out of service."""

    code = "UPSTREAM_UNAVAILABLE"
    http_status = 503


class UpstreamInterruptedError(UpstreamUnavailableError):
    """The connection broke after REST had begun to send its answer's body."""


class UpstreamNotCalledError(UpstreamUnavailableError):
    """The gateway did not call REST: it fails, or too many calls wait for it already."""


class TenantNotRunningError(UpstreamUnavailableError):
    """The tenant is suspended, in maintenance or the like: `tenantState` in `extensions`."""

    def __init__(self, tenant: str, state: str) -> None:
        super().__init__(f"{tenant} does not run at the moment: its state is {state}.")
        self.extensions["tenantState"] = state


class UpstreamBadResponseError(UpstreamError):
    """REST answered with something else than the JSON array it promises."""

    code = "UPSTREAM_BAD_RESPONSE"
    http_status = 502
