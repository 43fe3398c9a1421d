"""The state of a caller's sessions: what a poll has read, as of any later second."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from gateway.live.changes import Changes, Comparison
from gateway.records.dates import AsOf
from gateway.sessions.snapshot import Snapshot, attachments_for

SECOND_NS = 1_000_000_000
_MANY = 1_000
"""More sessions than this are compared in a thread, so that other requests can run."""


class LaterSessions(Sequence[Any]):  # records, as in a snapshot
    """Sessions as of a later time: each read makes a copy, because the originals are shared."""

    def __init__(self, sessions: Sequence[Any], as_of: AsOf) -> None:
        self._sessions = sessions
        self._as_of = as_of

    def __len__(self) -> int:
        return len(self._sessions)

    def __getitem__(self, row: Any) -> Any:  # no slices: they are not used
        session = copy(self._sessions[row])
        session.as_of = self._as_of
        return session


def later(snapshot: Snapshot, now_ns: int) -> Snapshot:
    """Return the snapshot as of `now_ns`, with attachments of its own."""
    as_of = replace(snapshot.as_of, passed_ns=now_ns - snapshot.as_of.fetched_ns)
    sessions = LaterSessions(snapshot.sessions, as_of)
    attachments = attachments_for(snapshot.own_bytes)
    return replace(snapshot, sessions=sessions, as_of=as_of, attachments=attachments)


@dataclass(slots=True)
class Alarm:
    """The next time at which a session begins or ceases to match, without any change of its data.

    The subscriber then gets the same state again.
    """

    due_ns: int | None = None

    def wait_s(self, now_ns: int) -> float | None:
        """Return the seconds until it is due; 0 if it is, None if it never will be."""
        return None if self.due_ns is None else max(0, self.due_ns - now_ns) / SECOND_NS


@dataclass(slots=True, eq=False, weakref_slot=True)
class State:
    """The result of a watcher's poll."""

    snapshot: Snapshot
    compare: Comparison
    changes: WeakKeyDictionary["State", Changes] = field(default_factory=WeakKeyDictionary)
    """A cache of the changes since earlier states."""

    number: int = field(default_factory=count(1).__next__)
    """Later states have higher numbers."""

    _comparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _later: Snapshot | None = None

    async def since(self, earlier: "State") -> Changes:
        """Return the changes since an earlier state; computed once for all subscribers."""
        async with self._comparing:
            if earlier not in self.changes:
                before, after = earlier.snapshot.sessions, self.snapshot.sessions
                if len(after) > _MANY:
                    self.changes[earlier] = await asyncio.to_thread(self.compare, before, after)
                else:
                    self.changes[earlier] = self.compare(before, after)
        return self.changes[earlier]

    def at(self, now_ns: int) -> Snapshot:
        """Return the snapshot as of the last whole second; all subscribers share it."""
        now_ns -= now_ns % SECOND_NS
        if now_ns <= self.snapshot.as_of.fetched_ns:
            return self.snapshot
        if self._later is None or self._later.as_of.now_ns != now_ns:
            self._later = later(self.snapshot, now_ns)
        return self._later
