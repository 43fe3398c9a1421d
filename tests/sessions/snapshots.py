"""Snapshots for tests."""

from collections.abc import Sequence
from typing import Any

from gateway.records.dates import AsOf
from gateway.sessions.snapshot import Attachments, Origin, Snapshot


def snapshot_of(
    sessions: Sequence[Any] = (),
    as_of: AsOf | None = None,
    *,
    origin: Origin = "upstream",
    fetch_s: float = 0,
    decode_s: float = 0,
    max_attached: int = 0,
) -> Snapshot:
    """Return a snapshot of these sessions."""
    return Snapshot(
        sessions=sessions,
        as_of=as_of or AsOf(0),
        requested_ns=0,
        own_bytes=0,
        origin=origin,
        fetch_s=fetch_s,
        decode_s=decode_s,
        attachments=Attachments(max_attached),
        json_bytes=0,
    )
