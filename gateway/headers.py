"""Every HTTP header that the gateway knows, in one table, with what each is for.

The sets that the rest of the code needs derive from it: what is forwarded to SuperOffice, what
makes the cache key, what shapes an answer, `Vary`, CORS, and what `connection_init` may carry. A
header that is not in the table changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Header = tuple[bytes, bytes]
"""A header as ASGI has it: the name in lower case, and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHeader:
    """A row of the table."""

    name: str
    """As it is usually written."""

    forwarded: bool = False
    """Forwarded to SuperOffice byte for byte, and therefore part of the cache key."""

    credential: bool = False
    """Says who the caller is; the other forwarded ones say how the answer is to be written."""

    tenant: bool = False
    """Chooses the SuperOffice installation, and with it the cache key."""

    passed_on: bool = False
    """Sent along with the REST call that a request starts; identifies no caller."""

    shapes: Literal["by value", "by presence"] | None = None
    """How the response cache tells requests apart by it."""

    vary: bool = False
    """Named in `Vary`."""

    cors: bool = False
    """May be sent by pages of other sites."""

    exposed: bool = False
    """May be read from answers by pages of other sites."""

    in_payload: bool = False
    """May stand in the payload of `connection_init`, where browsers cannot set headers."""

    aging: bool = False
    """Differs from one moment to the next: written anew on a cached answer."""

    shared: str = ""
    """Why requests that differ in it alone share one cached answer, where they do."""


HEADERS = (
    KnownHeader(name="Accept", shapes="by value", vary=True),
    KnownHeader(name="Accept-Encoding", shapes="by value", vary=True),
    KnownHeader(name="Accept-Language", forwarded=True, vary=True, in_payload=True),
    KnownHeader(name="Age", exposed=True, aging=True, shared="only on answers"),
    KnownHeader(name="Apollo-Require-Preflight", shapes="by value", cors=True),
    KnownHeader(name="Apollographql-Client-Name", cors=True, shared="names the app, not the data"),
    KnownHeader(
        name="Apollographql-Client-Version", cors=True, shared="names the app, not the data"
    ),
    KnownHeader(
        name="Authorization", forwarded=True, credential=True, vary=True, cors=True, in_payload=True
    ),
    KnownHeader(name="Cache-Control", cors=True, shared="compared with the age of the answer"),
    KnownHeader(name="Cache-Status", exposed=True, aging=True, shared="only on answers"),
    KnownHeader(name="Content-Encoding", shapes="by value"),
    KnownHeader(name="Content-Type", shapes="by value", cors=True),
    KnownHeader(
        name="Cookie", forwarded=True, credential=True, shapes="by presence", vary=True
    ),  # forwarded with X-XSRF-TOKEN only, where there is no Authorization
    KnownHeader(name="ETag", exposed=True, shared="only on answers"),
    KnownHeader(name="Host", shapes="by value"),
    KnownHeader(name="If-None-Match", shapes="by value", cors=True),
    KnownHeader(name="Origin", shapes="by value"),
    KnownHeader(name="Retry-After", exposed=True, shared="only on answers"),
    KnownHeader(name="Sec-Fetch-Site", shapes="by value"),
    KnownHeader(name="Server-Timing", exposed=True, aging=True, shared="only on answers"),
    KnownHeader(
        name="SO-AppToken", forwarded=True, credential=True, vary=True, cors=True, in_payload=True
    ),
    KnownHeader(name="SO-Culture", forwarded=True, vary=True, cors=True, in_payload=True),
    KnownHeader(name="SO-Language", forwarded=True, vary=True, cors=True, in_payload=True),
    KnownHeader(name="SO-TimeZone", forwarded=True, vary=True, cors=True, in_payload=True),
    KnownHeader(name="traceparent", passed_on=True, cors=True, shared="names the trace only"),
    KnownHeader(name="tracestate", passed_on=True, cors=True, shared="names the trace only"),
    KnownHeader(name="WWW-Authenticate", exposed=True, shared="only on answers"),
    KnownHeader(name="X-Apollo-Operation-Name", shapes="by value", cors=True),
    KnownHeader(
        name="X-Request-ID", passed_on=True, cors=True, exposed=True, shared="names the request"
    ),
    KnownHeader(
        name="X-XSRF-TOKEN",
        forwarded=True,
        credential=True,
        shapes="by presence",
        vary=True,
        cors=True,
        in_payload=True,
    ),
    KnownHeader(name="X-Tenant", tenant=True, vary=True, cors=True, in_payload=True),
)


def _raw(chosen: Callable[[KnownHeader], object]) -> frozenset[bytes]:
    return frozenset(header.name.lower().encode() for header in HEADERS if chosen(header))


CREDENTIALS = _raw(lambda header: header.credential)
REPRESENTATION = tuple(sorted(_raw(lambda header: header.forwarded and not header.credential)))
IN_PAYLOAD = _raw(lambda header: header.in_payload)
PASSED_ON = _raw(lambda header: header.passed_on)
AGING = _raw(lambda header: header.aging)
SHAPING = _raw(lambda header: header.shapes == "by value")
SHAPING_BY_PRESENCE = _raw(lambda header: header.shapes == "by presence")

(TENANT,) = _raw(lambda header: header.tenant)
EXPOSED = tuple(header.name for header in HEADERS if header.exposed)


def vary(*, has_tenants: bool) -> str:
    """Write `Vary`; `X-Tenant` counts only where there are several tenants."""
    return ", ".join(h.name for h in HEADERS if h.vary and (has_tenants or not h.tenant))


def cors(*, has_tenants: bool) -> list[str]:
    """Return the request headers that pages of other sites may send."""
    return [h.name for h in HEADERS if h.cors and (has_tenants or not h.tenant)]
