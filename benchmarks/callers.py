"""The requests, ready as bytes: who asks, and what for."""

from collections.abc import Callable, Iterator
from itertools import count, cycle

from benchmarks.queries import Query
from benchmarks.rest import PATH

__all__ = ["KINDS", "by_callers", "cold", "get", "graphql", "new", "rest", "warm"]

_FIRST_LIMIT, _LAST_LIMIT = 1_000, 10_000
"""Limits that cut nothing off and that the gateway allows."""


def graphql(body: bytes, caller: str) -> bytes:
    """Return a POST of one caller."""
    return (
        b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Accept: application/json\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
        % (caller.encode(), len(body), body)
    )


def rest(path: str, caller: str = "same") -> bytes:
    """Return a call that goes to the REST side directly."""
    return (
        f"GET {path}{PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Accept: application/json\r\nAuthorization: Bearer {caller}\r\n\r\n"
    ).encode()


def get(path: str) -> bytes:
    """Return a GET without credentials."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def warm(body: bytes) -> Iterator[bytes]:
    """Ask for the same as the same caller."""
    return cycle([graphql(body, "same")])


def cold(body: bytes) -> Iterator[bytes]:
    """Ask as another caller each time, so that nothing can be shared."""
    before, after = graphql(body, "cold-@").split(b"@", 1)
    return (b"%b%d%b" % (before, number, after) for number in count())


def by_callers(body: bytes, callers: int) -> Iterator[bytes]:
    """Ask as so many callers, in turn."""
    return cycle([graphql(body, f"caller-{number}") for number in range(callers)])


def new(query: Query) -> Iterator[bytes]:
    """Ask each caller's snapshot for what it was not asked before, by another limit each time.

    There are not limits enough for one caller: once in 9 000 requests there is a new one.
    """
    for caller in count():
        for limit in range(_FIRST_LIMIT, _LAST_LIMIT):
            yield graphql(query.limited_body(limit), f"new-{caller}")


KINDS: dict[str, Callable[[Query], Iterator[bytes]]] = {
    "cold": lambda query: cold(query.body),
    "warm": lambda query: warm(query.body),
    "new": new,
}
"""Cold = REST has to be called; warm = nothing has to be done again; new = the query has."""
