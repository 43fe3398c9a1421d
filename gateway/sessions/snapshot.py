"""Snapshots of a caller's sessions, and for how long each may be given out.

Source of the windows past the time to live: RFC 5861.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from gateway.errors import UpstreamError
from gateway.observe.cache_stats import Result
from gateway.records.dates import AsOf
from gateway.sessions.attachments import Attachments

__all__ = ["Epoch", "Served", "Snapshot", "Stored", "Windows"]

_TOOK = struct.Struct(">q")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Snapshot:
    """One decoded REST answer for one caller, never changed after it is made."""

    sessions: Sequence[Any]
    """The records, in REST's order."""

    as_of: AsOf
    """When REST answered, and the zone of its zone-less times; each session has it too."""

    asked_ns: int
    """When REST was asked, in nanoseconds since 1970: what came later may be missing."""

    own_bytes: int
    """What the sessions cost in memory, roughly."""

    times_s: Mapping[str, float]
    """What it took to get: `upstream` for the REST call, or `shared` for a cache that has it from
    another process; `decode` for reading it."""

    attachments: Attachments[Any] = field(default_factory=lambda: Attachments(0))
    """Answers that were made from it."""

    json_bytes: int = 0
    """What REST sent, decompressed."""

    @property
    def size_bytes(self) -> int:
        """Tell what it costs in memory, with what hangs on it."""
        return self.own_bytes + self.attachments.size_bytes

    @property
    def is_from_rest(self) -> bool:
        """Whether this process called REST for it."""
        return "upstream" in self.times_s


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """The body of one REST answer, and its times in nanoseconds since 1970."""

    body: bytes
    asked_ns: int
    fetched_ns: int

    def to_bytes(self) -> bytes:
        """Write it for a cache outside this process, whose clock alone is everybody's."""
        return _TOOK.pack(self.fetched_ns - self.asked_ns) + self.body

    @classmethod
    def from_bytes(cls, content: bytes, fetched_ns: int) -> "Stored":
        """Read what `to_bytes` wrote; when it was fetched, the cache's clock tells."""
        (took_ns,) = _TOOK.unpack_from(content)
        return cls(content[_TOOK.size :], fetched_ns - took_ns, fetched_ns)


@dataclass(frozen=True, slots=True)
class Windows:
    """For how long a snapshot is given out after REST has answered, in seconds."""

    ttl_s: float
    while_revalidate_s: float = 0
    """Past the TTL: it is given at once, and REST is asked on behalf of who comes next."""

    if_error_s: float = 0
    """Past the TTL: it is given when REST fails."""

    @property
    def has_any(self) -> bool:
        """Whether anything is given out past its time at all."""
        return bool(self.while_revalidate_s or self.if_error_s)

    @property
    def kept_s(self) -> float:
        """For how long a snapshot is of use: at least to say that there was one."""
        return self.ttl_s + max(self.ttl_s, self.while_revalidate_s, self.if_error_s)


@dataclass(slots=True)
class Epoch:
    """Since when REST calls count: what an earlier one brought is known to be out of date."""

    began_ns: int = 0


class Served(msgspec.Struct, frozen=True):
    """A snapshot, and how a request came by it."""

    snapshot: Snapshot
    how: Literal["hit", "miss", "collapsed"]
    fwd: Literal["miss", "stale", "request"]
    """Why REST was asked, if it was: nothing was kept, it was too old, or too old for this one."""

    windows: Windows
    clock_ns: Callable[[], int]
    epoch_ns: int = 0
    is_stale: bool = False
    """Whether a kept snapshot is given out past its time."""

    failure: UpstreamError | None = None
    """Why an old snapshot has to do, where REST was asked in vain."""

    @property
    def result(self) -> Result:
        """What came of looking for it, in one word."""
        if self.how == "miss":
            return self.fwd
        if self.is_stale:
            return "stale-while-revalidate" if self.failure is None else "stale-if-error"
        if self.how == "hit" and not self.snapshot.is_from_rest:
            return "shared"
        return self.how

    @property
    def is_stored(self) -> bool:
        """Whether the snapshot was kept for others to come."""
        return self.windows.ttl_s > 0

    def age_s(self) -> float:
        """Return the snapshot's age."""
        return max(0.0, (self.clock_ns() - self.snapshot.as_of.fetched_ns) / 1e9)

    def left_s(self) -> float:
        """Return for how long it is still fresh; less than nothing past that."""
        left_s = self.windows.ttl_s - self.age_s()
        return min(left_s, 0.0) if self.snapshot.asked_ns < self.epoch_ns else left_s

    def is_good_for(self, max_age_s: float | None) -> bool:
        """Tell whether it is fresh, and young enough for who asks."""
        if self.snapshot.asked_ns < self.epoch_ns:
            return False
        age_s = self.age_s()
        return age_s < self.windows.ttl_s and (max_age_s is None or age_s <= max_age_s)

    def may_be_revalidated_later(self, max_age_s: float | None) -> bool:
        """Tell whether it will do while REST is asked (RFC 5861, section 3)."""
        return max_age_s is None and self.left_s() + self.windows.while_revalidate_s > 0

    def may_stand_in(self, failure: UpstreamError, max_age_s: float | None) -> bool:
        """Tell whether it will do where REST fails (RFC 5861, section 4)."""
        is_in_time = max_age_s is None and self.left_s() + self.windows.if_error_s > 0
        return is_in_time and failure.is_temporary
