"""The commands of the shared cache: one round trip each, as scripts where it takes several steps.

An entry begins with the time when it was made, by Redis' own clock, since those of machines differ.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "superoffice-chat-gateway"
LEASE_S = 2.0
"""How long a lease lasts unless it is renewed."""

_FOLDER = Path(__file__).with_name("scripts")
_TEXTS = [(_FOLDER / f"{name}.lua").read_text() for name in ("look", "store", "extend", "reserve")]
SCRIPTS = {hashlib.sha1(text.encode()).hexdigest(): text for text in _TEXTS}  # noqa: S324
_LOOK_SHA, _STORE_SHA, _EXTEND_SHA, _RESERVE_SHA = SCRIPTS
_LEASE_MS = round(LEASE_S * 1000)

Packed = tuple[str | bytes | int | float, ...]


def _packed(sha: str, name: str, *arguments: bytes | float) -> Packed:
    key = _key(name)
    return ("EVALSHA", sha, 2, key, f"{key}:lease", *arguments)


def _key(name: str) -> str:
    return f"{NAMESPACE}:{{{name}}}"  # in a cluster, an entry and its lease are on one node


@dataclass(frozen=True, slots=True)
class Look:
    """Read an entry; where there is none that is young enough, take the lease with a token.

    The reply: the time by Redis' clock, the entry or None, and whether the lease was taken.
    """

    name: str
    token: bytes
    oldest_s: float
    max_bytes: int

    def packed(self) -> Packed:
        """Return it in Redis' words."""
        limits = (_LEASE_MS, self.oldest_s, self.max_bytes)
        return _packed(_LOOK_SHA, self.name, self.token, *limits)


@dataclass(frozen=True, slots=True)
class Write:
    """Store an entry, unless it is empty, and give the lease back that a token has."""

    name: str
    token: bytes
    entry: bytes
    left_s: float

    def packed(self) -> Packed:
        """Return it in Redis' words."""
        return _packed(_STORE_SHA, self.name, self.token, self.entry, round(self.left_s * 1000))


@dataclass(frozen=True, slots=True)
class Extend:
    """Renew the lease that a token has."""

    name: str
    token: bytes

    def packed(self) -> Packed:
        """Return it in Redis' words."""
        return _packed(_EXTEND_SHA, self.name, self.token, _LEASE_MS)


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete an entry."""

    name: str

    def packed(self) -> Packed:
        """Return it in Redis' words."""
        return ("DEL", _key(self.name))


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve the time of a call at a rate; the reply is the wait in milliseconds."""

    name: str
    per_second: int
    longest_s: float

    def packed(self) -> Packed:
        """Return it in Redis' words."""
        longest_ms = int(self.longest_s * 1000)
        return _packed(_RESERVE_SHA, self.name, self.per_second, longest_ms)


Command = Look | Write | Extend | Forget | Reserve
