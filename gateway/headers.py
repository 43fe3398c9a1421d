"""Every HTTP header that affects caching, CORS or the REST call, in one table, with its uses.

The sets of headers in the rest of the code derive from it: those forwarded to SuperOffice, those in
the cache keys, those in `Vary`, those for CORS, and those allowed in `connection_init`.
"""

from collections.abc import Sequence
from enum import Flag, auto
from typing import NamedTuple

Header = tuple[bytes, bytes]
"""A header as ASGI has it: the name in lower case, and the value."""


class Use(Flag):
    """The uses of a header."""

    FORWARDED = auto()
    """Forwarded to SuperOffice byte for byte, and therefore part of the cache key."""

    CREDENTIAL = auto()
    """Identifies the caller; the other forwarded ones choose languages, formats and time zones."""

    TENANT = auto()
    """Chooses the SuperOffice installation, and with it the cache key."""

    TRACE = auto()
    """Names the trace of a request: passed on to its REST call, and no part of the caller."""

    SHAPES = auto()
    """The response cache distinguishes requests by its value."""

    SHAPES_BY_PRESENCE = auto()
    """The response cache distinguishes requests with it from those without it."""

    VARY = auto()
    """Named in `Vary`."""

    CORS = auto()
    """May be sent by pages of other sites."""

    EXPOSED = auto()
    """May be read from answers by pages of other sites."""

    IN_PAYLOAD = auto()
    """May stand in the payload of `connection_init`, where browsers cannot set headers."""

    CLIENT = auto()
    """Names the client's app or its version, for metrics and the log."""

    LIST = auto()
    """Several lines of it are one list (RFC 9110, section 5.3)."""

    AGING = auto()
    """Changes with time: written again for each cached answer."""


class KnownHeader(NamedTuple):
    """A row of the table."""

    name: str
    """The name in its usual spelling."""

    uses: Use
    shared: str = ""
    """Why requests that differ only in this header share one cached answer, if they do."""


_LANGUAGE = Use.FORWARDED | Use.VARY | Use.IN_PAYLOAD
_CREDENTIAL = Use.FORWARDED | Use.CREDENTIAL | Use.VARY
_CLIENT = Use.CLIENT | Use.CORS | Use.IN_PAYLOAD
_ANSWERED = "only on answers"

HEADERS = (
    KnownHeader("Accept", Use.SHAPES | Use.VARY | Use.LIST),
    KnownHeader("Accept-Encoding", Use.SHAPES | Use.VARY | Use.LIST),
    KnownHeader("Accept-Language", _LANGUAGE | Use.LIST),
    KnownHeader("Age", Use.EXPOSED | Use.AGING, _ANSWERED),
    KnownHeader("Allow", Use.EXPOSED, _ANSWERED),
    KnownHeader("Apollo-Require-Preflight", Use.SHAPES | Use.CORS),
    KnownHeader("Apollographql-Client-Name", _CLIENT, "names the app, not the data"),
    KnownHeader("Apollographql-Client-Version", _CLIENT, "names the app, not the data"),
    KnownHeader("Authorization", _CREDENTIAL | Use.CORS | Use.IN_PAYLOAD),
    KnownHeader("Cache-Control", Use.CORS | Use.LIST, "compared with the age of the answer"),
    KnownHeader("Cache-Status", Use.EXPOSED | Use.AGING, _ANSWERED),
    KnownHeader("Content-Encoding", Use.SHAPES | Use.EXPOSED),
    KnownHeader("Content-Type", Use.SHAPES | Use.CORS),
    # Forwarded only beside X-XSRF-TOKEN, and only without Authorization.
    KnownHeader("Cookie", _CREDENTIAL | Use.SHAPES_BY_PRESENCE),
    KnownHeader("Date", Use.EXPOSED, _ANSWERED),
    KnownHeader("ETag", Use.EXPOSED, _ANSWERED),
    KnownHeader("Graphql-Client-Name", _CLIENT, "names the app, not the data"),
    KnownHeader("Graphql-Client-Version", _CLIENT, "names the app, not the data"),
    KnownHeader("Host", Use.SHAPES),
    KnownHeader("If-None-Match", Use.SHAPES | Use.CORS | Use.LIST),
    KnownHeader("Origin", Use.SHAPES),
    KnownHeader("Retry-After", Use.EXPOSED, _ANSWERED),
    KnownHeader("Sec-Fetch-Site", Use.SHAPES),
    KnownHeader("Server-Timing", Use.EXPOSED | Use.AGING, _ANSWERED),
    KnownHeader("SO-AppToken", _CREDENTIAL | Use.CORS | Use.IN_PAYLOAD),
    KnownHeader("SO-Culture", _LANGUAGE | Use.CORS),
    KnownHeader("SO-Language", _LANGUAGE | Use.CORS),
    KnownHeader("SO-TimeZone", _LANGUAGE | Use.CORS),
    KnownHeader("traceparent", Use.TRACE | Use.CORS, "names the trace only"),
    KnownHeader("tracestate", Use.TRACE | Use.CORS | Use.LIST, "names the trace only"),
    KnownHeader("Vary", Use.EXPOSED, _ANSWERED),
    KnownHeader("WWW-Authenticate", Use.EXPOSED, _ANSWERED),
    KnownHeader("X-Apollo-Operation-Name", Use.SHAPES | Use.CORS),
    KnownHeader("X-Request-ID", Use.CORS | Use.EXPOSED, "names the request"),
    KnownHeader("X-XSRF-TOKEN", _CREDENTIAL | Use.SHAPES_BY_PRESENCE | Use.CORS | Use.IN_PAYLOAD),
    KnownHeader("X-Tenant", Use.TENANT | Use.VARY | Use.CORS | Use.IN_PAYLOAD),
)


def names(use: Use, *, has_tenants: bool = True) -> list[str]:
    """Return the names of the headers with a use; `X-Tenant` only where there are tenants."""
    used = [(name, uses) for name, uses, _ in HEADERS if use in uses]
    return [name for name, uses in used if has_tenants or Use.TENANT not in uses]


def _raw(use: Use) -> frozenset[bytes]:
    return frozenset(name.lower().encode() for name in names(use))


def in_one_line(headers: Sequence[Header]) -> Sequence[Header]:
    """Join the lines of each list header: many parsers read only the first line."""
    if len({name for name, _ in headers}) == len(headers):
        return headers
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lines.setdefault(name, []).append(value)
    return [
        (name, value)
        for name, values in lines.items()
        for value in ([b", ".join(values)] if name in _LISTS else values)
    ]


CREDENTIALS = _raw(Use.CREDENTIAL)
FORWARDED = _raw(Use.FORWARDED)
REPRESENTATION = tuple(sorted(FORWARDED - CREDENTIALS))
IN_PAYLOAD = _raw(Use.IN_PAYLOAD)
TRACE = _raw(Use.TRACE)
AGING = _raw(Use.AGING)
CLIENT = _raw(Use.CLIENT)
_LISTS = _raw(Use.LIST)
SHAPING = _raw(Use.SHAPES)
SHAPING_BY_PRESENCE = _raw(Use.SHAPES_BY_PRESENCE)
(TENANT,) = _raw(Use.TENANT)
