"""A snapshot as of a later time: the same data, with the seconds that run with the clock."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from gateway.records.dates import AsOf
from gateway.sessions.snapshot import Attachments, Records, Snapshot

SECOND_NS = 1_000_000_000


class LaterSessions(Sequence[Any]):  # records, as in a snapshot
    """Sessions as of a later time: each read makes a copy, because the originals are shared."""

    def __init__(self, sessions: Records, as_of: AsOf) -> None:
        self._sessions = sessions
        self._as_of = as_of

    def __len__(self) -> int:
        return len(self._sessions)

    def __getitem__(self, row: Any) -> Any:  # no slices: nobody needs them
        session = copy(self._sessions[row])
        session.as_of = self._as_of
        return session


def later(snapshot: Snapshot, now_ns: int) -> Snapshot:
    """Return the snapshot as of `now_ns`, with attachments of its own."""
    as_of = replace(snapshot.as_of, passed_ns=now_ns - snapshot.as_of.fetched_ns)
    sessions = LaterSessions(snapshot.sessions, as_of)
    attachments = Attachments[Any](2 * snapshot.own_bytes + 2**15)  # as much as the original's
    return replace(snapshot, sessions=sessions, as_of=as_of, attachments=attachments)
