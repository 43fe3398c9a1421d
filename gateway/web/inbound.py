"""A request as the gateway understands it: read once, at the door, and handed on.

Our own server makes it when a request is complete; under another server the outermost middleware
does. It is the only key of ours in an ASGI scope.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from starlette.types import Scope

from gateway.caller import CallerPolicy
from gateway.errors import BadRequestError, RequestError, TenantMissingError
from gateway.headers import PASSED_ON, SHAPING, SHAPING_BY_PRESENCE, Header, in_one_line
from gateway.observe.clients import NO_CLIENT, Client, client_of
from gateway.schema.context import Access
from gateway.sessions.snapshot import Snapshot
from gateway.tenants.path import FindSource
from gateway.web.access_record import AccessRecord
from gateway.web.middleware.proxies import TrustedProxies

_KEY = "gateway.inbound"
REQUEST_ID = b"x-request-id"

_VALID_ID = re.compile(rb"[\w.:/+=@-]{1,128}", re.ASCII)
_VALID_TRACE = re.compile(rb"[ -~]{1,512}")

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})\b")
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:cache|store)\b")

# An id opens nothing: for randomness of the system, each would be a system call.
_random = Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a request's path and headers say."""

    access: Access | RequestError
    """The caller and its source, or why there is none."""

    max_age_s: float | None = None
    """The oldest snapshot that the client accepts."""

    shaping: bytes = b""
    """What shapes the answer: the trusted documents, and headers, a line each."""

    client: Client = NO_CLIENT
    path: str = ""
    headers: Sequence[Header] = field(default=(), repr=False)
    """As they are read: those of a list in one line each."""

    sent_id: bytes | None = None
    """The request's id, if the client has sent one."""

    def request_id(self) -> bytes:
        """Return the id that the client has sent, or a new one."""
        return self.sent_id or b"%016x" % _random.getrandbits(64)


def do_nothing() -> None:
    """Do nothing: there is nothing to end, or no limit."""


@dataclass(slots=True)
class Inbound:
    """One request on its way through."""

    head: RequestHead
    request_id: bytes
    body: bytes | None = None
    """The whole body, where it came at once."""

    record: AccessRecord = field(default_factory=AccessRecord)
    snapshot: Snapshot | None = None
    """What the answer was made from, where it may be cached."""

    on_disconnect: Callable[[], object] = do_nothing
    """Ends the work on the request, as long as there is any."""

    end_stream: Callable[[], object] = do_nothing
    """Ends the answer, where it is a stream."""

    on_accepted: Callable[[], object] = do_nothing
    """Lifts our own server's limits on a WebSocket whose credentials SuperOffice has accepted."""


@dataclass(slots=True, kw_only=True)
class Door:
    """Reads requests: one read of the caller, one HMAC, one search for the source."""

    find_source: FindSource
    policy: CallerPolicy
    heeds_cache_control: bool
    proxies: TrustedProxies | None = None
    reloads: int = 0
    """How often the trusted documents were read again: answers from before are not sent."""

    def read(self, path: str, headers: Sequence[Header]) -> RequestHead:
        """Read what a path and headers say."""
        headers = in_one_line(headers)
        shaping = [
            b"%b:%b" % header if header[0] in SHAPING else header[0]
            for header in headers
            if header[0] in SHAPING or header[0] in SHAPING_BY_PRESENCE
        ]
        max_age_s = max_age_of(headers) if self.heeds_cache_control else None
        return RequestHead(
            self.access(path, headers),
            max_age_s,
            b"\n".join([b"%d" % self.reloads, *shaping]),
            client_of(headers),
            path,
            headers,
            sent_id_of(headers),
        )

    def access(self, path: str, headers: Sequence[Header]) -> Access | RequestError:
        """Find the caller and its source; an error says why there is none."""
        try:
            source = self.find_source(path, headers)
            caller = self.policy.read(headers)
        except RequestError as exc:
            # Frames would keep the request alive; the context is uvicorn's, in a handshake.
            exc.__context__ = None
            return exc.with_traceback(None)
        return Access(source, caller, source.key_of(caller))

    def enter(
        self, scope: Scope, body: bytes | None = None, last: RequestHead | None = None
    ) -> Inbound:
        """Return the request of a scope, made now unless our server has made it already.

        What trusted proxies say of it is in the scope from then on. `last` is the head of the
        connection's last request: the next one is often the same.
        """
        inbound = find_inbound(scope)
        if inbound is None:
            if self.proxies is not None:
                self.proxies.apply(scope)
            path, headers = path_of(scope), scope["headers"]
            head = last
            if head is None or head.headers != headers or head.path != path:
                head = self.read(path, headers)
            scope["headers"] = head.headers
            inbound = scope[_KEY] = Inbound(head, head.request_id(), body)
        return inbound


def check_tenant(head: RequestHead, *, may_be_missing: bool = False) -> None:
    """Refuse a request that names no tenant that is served, or has an invalid header.

    Raises:
        BadRequestError: as it was found when the request was read.
    """
    problem = head.access
    is_allowed = may_be_missing and isinstance(problem, TenantMissingError)
    if isinstance(problem, BadRequestError) and not is_allowed:
        raise problem.with_traceback(None)


def path_of(scope: Scope) -> str:
    """Return the path below the one that the application is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def inbound_of(scope: Scope) -> Inbound:
    """Return the request of a scope that has come through the door."""
    inbound: Inbound = scope[_KEY]
    return inbound


def find_inbound(scope: Scope) -> Inbound | None:
    """Return the request of a scope, if it has come through the door."""
    return scope.get(_KEY)


def max_age_of(headers: Sequence[Header]) -> float | None:
    """Read `Cache-Control` (RFC 9111, section 5.2.1): the oldest answer accepted, in seconds."""
    lines = [value for name, value in headers if name == b"cache-control"]
    if not lines:
        return None
    # Several lines are one list (RFC 9110, section 5.3).
    text = b",".join(lines).decode("latin-1").lower()
    if _NO_CACHE.search(text):
        return 0
    max_age = _MAX_AGE.search(text)
    return float(max_age[1]) if max_age else None


def sent_id_of(headers: Sequence[Header]) -> bytes | None:
    """Return the id that the client has sent, if it is a valid one."""
    sent = [value for name, value in headers if name == REQUEST_ID]
    return sent[0] if len(sent) == 1 and _VALID_ID.fullmatch(sent[0]) else None


def trace_of(headers: Sequence[Header], request_id: bytes) -> list[Header]:
    """Return what goes along with a REST call: the request's id and its trace context.

    Invalid values are left out: other requests share the call. Source: W3C Trace Context.
    """
    passed_on = [h for h in headers if h[0] in PASSED_ON and h[0] != REQUEST_ID]
    return [*(h for h in passed_on if _VALID_TRACE.fullmatch(h[1])), (REQUEST_ID, request_id)]
