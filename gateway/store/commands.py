"""The commands of the shared cache, one round trip each: those of several steps are scripts.

A script is sent as its text: Redis hashes it in some microseconds, and it is never unknown there.

An entry begins with the time when it was made, by Redis' own clock, since those of machines differ.
"""

from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

NAMESPACE = "superoffice-chat-gateway"
LEASE_S = 2.0
"""How long a lease lasts unless it is renewed."""

_FOLDER = Path(__file__).with_name("scripts")
_LOOKUP, _STORE, _EXTEND, _RESERVE = (
    (_FOLDER / f"{name}.lua").read_text() for name in ("lookup", "store", "extend", "reserve")
)
_LEASE_MS = round(LEASE_S * 1000)

Reply: TypeAlias = Any  # the peer may be anything
"""The reply to a command, as redis-py reads it, or its error."""


class Lookup(NamedTuple):
    """Read an entry; if none is young enough, take the lease with a token.

    The reply: the time by Redis' clock, the entry or None, and whether the lease was taken.
    """

    name: str
    token: bytes
    oldest_s: float
    max_bytes: int


class Write(NamedTuple):
    """Store an entry, unless it is empty, and release the lease if the token holds it."""

    name: str
    token: bytes
    entry: bytes
    left_s: float


class Extend(NamedTuple):
    """Renew the lease if the token holds it."""

    name: str
    token: bytes


class Forget(NamedTuple):
    """Delete an entry."""

    name: str


class Reserve(NamedTuple):
    """Reserve the time of a call at a rate; the reply is the wait in milliseconds."""

    name: str
    per_second: int
    longest_s: float


Command = Lookup | Write | Extend | Forget | Reserve


def packed(command: Command) -> tuple[str | bytes | int | float, ...]:
    """Return a command in Redis' form."""
    key = f"{NAMESPACE}:{{{command.name}}}"  # in a cluster, an entry and its lease are on one node
    keys = (2, key, f"{key}:lease")
    match command:
        case Lookup(_, token, oldest_s, max_bytes):
            return ("EVAL", _LOOKUP, *keys, token, _LEASE_MS, oldest_s, max_bytes)
        case Write(_, token, entry, left_s):
            return ("EVAL", _STORE, *keys, token, entry, round(left_s * 1000))
        case Extend(_, token):
            return ("EVAL", _EXTEND, *keys, token, _LEASE_MS)
        case Reserve(_, per_second, longest_s):
            return ("EVAL", _RESERVE, *keys, per_second, int(longest_s * 1000))
        case Forget():
            return ("DEL", key)
