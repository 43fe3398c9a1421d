"""The freshness of snapshots: windows of time, checks for a request, and counts of cache results.

Source of the windows past the time to live: RFC 5861.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from gateway.errors import UpstreamError
from gateway.sessions.snapshot import Snapshot

How = Literal["hit", "miss", "collapsed"]
"""From the cache, from the request's own REST call, or from the call of another request."""

Forwarded = Literal["miss", "stale", "request"]
"""Why SuperOffice was called: no snapshot, one past its time, or one too old for the request."""

_Saving = Literal["hit", "shared", "collapsed", "stale-while-revalidate"]
Result = Literal[_Saving, "stale-if-error", Forwarded]
"""The result of a lookup: a fresh snapshot of this process, of another one, or of a call in
progress; a stale one, during a new call or after it failed; or why SuperOffice was called."""

_SAVING: tuple[Result, ...] = get_args(_Saving)


class Lookups:
    """Counts the results of cache lookups."""

    def __init__(self) -> None:
        self.counts: dict[Result, int] = dict.fromkeys(get_args(Result), 0)
        self.saved_bytes = 0
        """Bytes of JSON that were not fetched again from SuperOffice."""

    def count(self, result: Result, json_bytes: int) -> None:
        """Count the result of one lookup."""
        self.counts[result] += 1
        if result in _SAVING:
            self.saved_bytes += json_bytes

    @property
    def saved_calls(self) -> int:
        """The number of REST calls that were not made."""
        return sum(self.counts[result] for result in _SAVING)


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a snapshot is served, in seconds since SuperOffice's answer."""

    ttl_s: float
    while_revalidate_s: float = 0
    """Past the TTL: it is served at once, and SuperOffice is called for the next request."""

    if_error_s: float = 0
    """Past the TTL: it is served when SuperOffice fails."""

    @property
    def cached_s(self) -> float:
        """How long a snapshot stays cached: for two TTLs at least, so that `stale` is no `miss`."""
        return self.ttl_s + max(self.ttl_s, self.while_revalidate_s, self.if_error_s)


class Served(msgspec.Struct, frozen=True):
    """A snapshot for a request, and its source."""

    snapshot: Snapshot
    how: How
    fwd: Forwarded
    windows: Windows
    clock_ns: Callable[[], int]
    epoch_ns: int = 0
    is_stale: bool = False
    """Whether a cached snapshot is served past its time."""

    failure: UpstreamError | None = None
    """Why a stale snapshot is served, if a call failed."""

    @property
    def result(self) -> Result:
        """The result of the cache lookup."""
        if self.how == "miss":
            return self.fwd
        if self.is_stale:
            return "stale-while-revalidate" if self.failure is None else "stale-if-error"
        return "shared" if self.snapshot.origin == "shared" else self.how

    def age_s(self) -> float:
        """Return the snapshot's age."""
        return max(0.0, (self.clock_ns() - self.snapshot.as_of.fetched_ns) / 1e9)

    def left_s(self) -> float:
        """Return the seconds for which it is still fresh; negative after that."""
        age_s = (self.clock_ns() - self.snapshot.as_of.fetched_ns) / 1e9
        if age_s < 0:  # the clock was set back, and the age is unknown: it may be too old for all
            return -self.windows.cached_s
        left_s = self.windows.ttl_s - age_s
        return min(left_s, 0.0) if self.snapshot.requested_ns < self.epoch_ns else left_s

    def is_good_for(self, max_age_s: float | None, since_ns: float) -> bool:
        """Return whether it is fresh, and young enough: its call began at `since_ns` or later."""
        is_recent = self.snapshot.requested_ns >= since_ns
        return is_recent and self.left_s() > 0 and (max_age_s is None or self.age_s() <= max_age_s)

    def may_be_revalidated_later(self, max_age_s: float | None) -> bool:
        """Return whether it may be served while SuperOffice is called (RFC 5861, section 3)."""
        return max_age_s is None and self.left_s() + self.windows.while_revalidate_s > 0

    def may_stand_in(self, failure: UpstreamError, max_age_s: float | None) -> bool:
        """Return whether it may be served in place of an error (RFC 5861, section 4)."""
        is_in_time = max_age_s is None and self.left_s() + self.windows.if_error_s > 0
        return is_in_time and failure.is_temporary
