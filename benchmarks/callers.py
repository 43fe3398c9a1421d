"""The requests as bytes: callers, and their queries."""

from collections.abc import Callable, Iterator
from itertools import count, cycle

from benchmarks.queries import Query
from benchmarks.rest import PATH

__all__ = ["KINDS", "by_callers", "cold", "get", "graphql", "new", "rest", "warm"]

_FIRST_LIMIT, _LAST_LIMIT = 1_000, 10_000
"""Limits that omit no session, and that the gateway allows."""


def graphql(body: bytes, caller: str) -> bytes:
    """Return a POST of one caller."""
    return (
        b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Accept: application/json\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
        % (caller.encode(), len(body), body)
    )


def rest(path: str, caller: str = "same") -> bytes:
    """Return a call that goes to the REST API directly."""
    return (
        f"GET {path}{PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Accept: application/json\r\nAuthorization: Bearer {caller}\r\n\r\n"
    ).encode()


def get(path: str) -> bytes:
    """Return a GET without credentials."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def warm(body: bytes) -> Iterator[bytes]:
    """Repeat the same request of the same caller."""
    return cycle([graphql(body, "same")])


def cold(body: bytes) -> Iterator[bytes]:
    """Use another caller for each request, so that nothing can be shared."""
    before, after = graphql(body, "cold-@").split(b"@", 1)
    return (b"%b%d%b" % (before, number, after) for number in count())


def by_callers(body: bytes, callers: int) -> Iterator[bytes]:
    """Use this many callers in turn."""
    return cycle([graphql(body, f"caller-{number}") for number in range(callers)])


def new(query: Query) -> Iterator[bytes]:
    """Query a caller's snapshot with another limit each time, so that each query is new.

    There are not enough limits for one caller: every 9 000 requests there is a new caller.
    """
    for caller in count():
        for limit in range(_FIRST_LIMIT, _LAST_LIMIT):
            yield graphql(query.limited_body(limit), f"new-{caller}")


KINDS: dict[str, Callable[[Query], Iterator[bytes]]] = {
    "cold": lambda query: cold(query.body),
    "warm": lambda query: warm(query.body),
    "new": new,
}
"""Cold = a REST call for each; warm = a cached answer; new = a new query on a cached snapshot."""
