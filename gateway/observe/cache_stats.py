"""How often the cache had a snapshot, and how many REST calls that saved."""

from dataclasses import dataclass, field
from typing import Literal, get_args

_Saving = Literal["hit", "shared", "collapsed", "stale-while-revalidate"]
Result = Literal[_Saving, "stale-if-error", "miss", "stale", "request"]
"""Cached by this process, cached by another one, or already being fetched; stale but allowed, while
it is fetched anew or because that failed; or why a REST call was made: nothing was cached, it was
stale, or it was too old for this request."""

_SAVING: tuple[Result, ...] = get_args(_Saving)


def _zeros() -> dict[Result, int]:
    return dict.fromkeys(get_args(Result), 0)


@dataclass(slots=True)
class Lookups:
    """Counts the snapshots of requests by the result of the lookup."""

    counts: dict[Result, int] = field(default_factory=_zeros)
    saved_bytes: int = 0
    """Bytes of JSON that were not fetched again."""

    def count(self, result: Result, json_bytes: int) -> None:
        """Count one snapshot."""
        self.counts[result] += 1
        if result in _SAVING:
            self.saved_bytes += json_bytes

    @property
    def saved_calls(self) -> int:
        """The number of REST calls that were not made."""
        return sum(self.counts[result] for result in _SAVING)
