"""`Inbound`, the parsed request: made once, when a request arrives, and passed to every later step.

Our own server makes it for a request that arrives as a whole; otherwise the outermost middleware
does. It is the only key that we add to an ASGI scope.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from starlette.types import Scope

from gateway.caller import CallerPolicy, network_of
from gateway.errors import BadRequestError, RequestError, TenantMissingError
from gateway.headers import SHAPING, SHAPING_BY_PRESENCE, TRACE, Header, in_one_line
from gateway.observe.clients import NO_CLIENT, Client, client_of
from gateway.schema.context import Access, ignore
from gateway.sessions.snapshot import Snapshot
from gateway.tenants.path import FindSource
from gateway.web.access_record import AccessRecord
from gateway.web.read.proxies import TrustedProxies

_KEY = "gateway.inbound"
REQUEST_ID = b"x-request-id"

_VALID_ID = re.compile(rb"[\w.:/+=@-]{1,128}", re.ASCII)
_VALID_TRACE = re.compile(rb"[ -~]{1,512}")

_MAX_AGE = re.compile(rb"(?:^|[,\s])max-age=(\d{1,9})\b", re.IGNORECASE)
_NO_CACHE = re.compile(rb"(?:^|[,\s])no-(?:cache|store)\b", re.IGNORECASE)

# An id grants nothing, so it need not be unguessable; `os.urandom` would cost a system call each.
_random = Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's path and headers, parsed."""

    access: Access | RequestError
    """The caller and its source, or the reason why the request has none."""

    max_age_s: float | None = None
    """The oldest snapshot that the client accepts."""

    shaping: bytes = b""
    """Part of the response cache's key: the number of reloads, then the headers of `SHAPING`."""

    client: Client = NO_CLIENT
    path: str = ""
    headers: Sequence[Header] = field(default=(), repr=False)
    """The lines of each list header are joined into one."""

    sent_id: bytes | None = None
    """The request's id, if the client has sent one."""

    def request_id(self) -> bytes:
        """Return the id that the client has sent, or a new one."""
        return self.sent_id or b"%016x" % _random.getrandbits(64)


@dataclass(slots=True)
class Inbound:
    """One request, and the state of its processing."""

    head: RequestHead
    request_id: bytes
    body: bytes | None = None
    """The whole body, if it has been read already."""

    network: str = ""
    """The client's network: see `gateway.caller.NETWORK`."""

    record: AccessRecord = field(default_factory=AccessRecord)
    snapshot: Snapshot | None = None
    """The snapshot that the answer was made from, if the answer may be cached."""

    refused: int = 0
    """The status of our own server's answer, if it refused the request."""

    on_disconnect: Callable[[], object] = ignore
    """Cancels the work on the request, while there is any."""

    is_ending: bool = False
    """Whether an answer that is a stream has to end, even before it begins."""

    on_ending: Callable[[], object] = ignore
    """Ends a stream that has begun."""

    on_accepted: Callable[[], object] = ignore
    """Lifts our own server's limits on a WebSocket whose credentials SuperOffice has accepted."""

    def end_stream(self) -> None:
        """End an answer that is a stream, now or when it begins."""
        self.is_ending = True
        self.on_ending()

    @property
    def owner(self) -> str:
        """A digest of the caller's credentials; empty without a caller."""
        access = self.head.access
        return access.owner if isinstance(access, Access) else ""


@dataclass(slots=True, kw_only=True)
class Door:
    """Parses each request once: finds its caller and its source, and computes the cache key."""

    find_source: FindSource
    policy: CallerPolicy
    heeds_cache_control: bool
    proxies: TrustedProxies | None = None
    reloads: int = 0
    """The number of reloads of the trusted documents; part of the cache key."""

    def read(self, path: str, headers: Sequence[Header]) -> RequestHead:
        """Parse a path and headers."""
        headers = in_one_line(headers)
        shaping = [
            b"%b:%b" % header if header[0] in SHAPING else header[0]
            for header in headers
            if header[0] in SHAPING or header[0] in SHAPING_BY_PRESENCE
        ]
        return RequestHead(
            access=self._access(path, headers),
            max_age_s=max_age_of(headers) if self.heeds_cache_control else None,
            shaping=b"\n".join([b"%d" % self.reloads, *shaping]),
            client=client_of(headers),
            path=path,
            headers=headers,
            sent_id=sent_id_of(headers),
        )

    def _access(self, path: str, headers: Sequence[Header]) -> Access | RequestError:
        try:
            source = self.find_source(path, headers)
            caller = self.policy.read(headers)
        except RequestError as exc:
            # Frames, in a handshake those of uvicorn's error too, would keep the request in memory.
            exc.__context__ = None
            return exc.with_traceback(None)
        return Access(source, caller, source.key_of(caller))

    def enter(
        self, scope: Scope, body: bytes | None = None, last: RequestHead | None = None
    ) -> Inbound:
        """Return the request of a scope; make it, unless our server has made it already.

        Making it applies the headers of trusted proxies to the scope. `last` is the head of the
        connection's last request, reused if the next one is equal, as it often is.
        """
        inbound = find_inbound(scope)
        if inbound is None:
            if self.proxies is not None:
                self.proxies.apply(scope)
            # The path below the application's mount point.
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            headers = scope["headers"]
            head = last
            if head is None or head.headers != headers or head.path != path:
                head = self.read(path, headers)
            scope["headers"] = head.headers
            network = network_of(client[0]) if (client := scope.get("client")) else ""
            inbound = scope[_KEY] = Inbound(head, head.request_id(), body, network)
        return inbound


def check_tenant(head: RequestHead, *, may_be_missing: bool = False) -> None:
    """Refuse a request with a missing or unknown tenant, or with an invalid header.

    Raises:
        BadRequestError: the error that was found when the request was read.
    """
    problem = head.access
    is_allowed = may_be_missing and isinstance(problem, TenantMissingError)
    if isinstance(problem, BadRequestError) and not is_allowed:
        raise problem.with_traceback(None)


def inbound_of(scope: Scope) -> Inbound:
    """Return the request of a scope that `Door.enter` has seen."""
    inbound: Inbound = scope[_KEY]
    return inbound


def find_inbound(scope: Scope) -> Inbound | None:
    """Return the request of a scope, if `Door.enter` has seen it."""
    return scope.get(_KEY)


def max_age_of(headers: Sequence[Header]) -> float | None:
    """Read `Cache-Control` (RFC 9111, section 5.2.1): the oldest answer accepted, in seconds."""
    value = dict(headers).get(b"cache-control")
    if value is None:
        return None
    if _NO_CACHE.search(value):
        return 0
    max_age = _MAX_AGE.search(value)
    return float(max_age[1]) if max_age else None


def sent_id_of(headers: Sequence[Header]) -> bytes | None:
    """Return the id that the client has sent, if it is valid."""
    sent = [value for name, value in headers if name == REQUEST_ID]
    return sent[0] if len(sent) == 1 and _VALID_ID.fullmatch(sent[0]) else None


def trace_of(headers: Sequence[Header], request_id: bytes) -> list[Header]:
    """Return the tracing headers of a REST call: the request's id and its trace context.

    Invalid values are dropped: other requests share the call. Source: W3C Trace Context.
    """
    trace = [h for h in headers if h[0] in TRACE and _VALID_TRACE.fullmatch(h[1])]
    return [*trace, (REQUEST_ID, request_id)]
