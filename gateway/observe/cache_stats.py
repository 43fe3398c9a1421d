"""How often a snapshot was looked for, and what that saved."""

from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = ["Lookups", "Result"]

Result = Literal[
    "hit",
    "shared",
    "collapsed",
    "stale-while-revalidate",
    "stale-if-error",
    "miss",
    "stale",
    "request",
]
"""Kept here, kept by another process, or under way; kept and too old, but good enough; or why REST
was called: nothing was kept, it was too old, or too old for this request."""

_SAVING: tuple[Result, ...] = ("hit", "shared", "collapsed", "stale-while-revalidate")


def _none_yet() -> dict[Result, int]:
    return dict.fromkeys(get_args(Result), 0)


@dataclass(slots=True)
class Lookups:
    """Counts the snapshots that requests got, by how they came by them."""

    counts: dict[Result, int] = field(default_factory=_none_yet)
    saved_bytes: int = 0
    """Of JSON that REST had sent once and did not have to send again."""

    def count(self, result: Result, json_bytes: int) -> None:
        """Count one."""
        self.counts[result] += 1
        if result in _SAVING:
            self.saved_bytes += json_bytes

    @property
    def saved_calls(self) -> int:
        """Return how many REST calls were not made."""
        return sum(self.counts[result] for result in _SAVING)
