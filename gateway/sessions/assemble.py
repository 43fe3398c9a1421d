"""What REST answered, read into a snapshot."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from gateway.caller import Caller
from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import AsOf
from gateway.sessions.attachments import Attachments
from gateway.sessions.snapshot import Snapshot, Stored

__all__ = ["Decode", "read", "zone_of"]

# What a snapshot costs in memory, measured with tracemalloc on full and on sparse sessions: most of
# it is the JSON that linked objects and maps are read from.
_MEMORY_PER_JSON_BYTE = 1.3
_MEMORY_PER_SESSION = 600

# The answers made from a snapshot may take as much again as it does itself, and no less than this.
_LEAST_FOR_ANSWERS = 32 * 2**10

_LARGE = 2**20

Decode = Callable[[bytes], Sequence[Any]]
"""Reads the records out of a body."""


async def read(
    stored: Stored, decode: Decode, zone: tzinfo | None, took_s: Mapping[str, float]
) -> Snapshot:
    """Make a snapshot, whose zone-less times are in `zone`; `took_s` tells what it took to get.

    Raises:
        UpstreamBadResponseError: it is not what it must be.
    """
    started = time.perf_counter()
    body, as_of = stored.body, AsOf(stored.fetched_ns, zone)
    if len(body) > _LARGE:
        # The event loop gets its turn between the passes over the body, each of which holds it.
        sessions = await asyncio.to_thread(_decoded, decode, body)
    else:
        sessions = _decoded(decode, body)
    for session in sessions:
        session.as_of = as_of
    times_s = {**took_s, "decode": time.perf_counter() - started}
    own_bytes = round(len(body) * _MEMORY_PER_JSON_BYTE) + _MEMORY_PER_SESSION * len(sessions)
    attachments = Attachments[Any](max(own_bytes, _LEAST_FOR_ANSWERS))
    return Snapshot(sessions, as_of, stored.asked_ns, own_bytes, times_s, attachments, len(body))


def zone_of(caller: Caller, base: tzinfo | None) -> tzinfo | None:
    """Return the zone of the zone-less times in a caller's answers.

    `SO-TimeZone` moves them from the tenant's base zone to the one it names, by SuperOffice's own
    codes; of these, only UTC says which zone it is.
    """
    asked = [value for name, value in caller.headers if name == b"so-timezone"]
    if not asked:
        return base
    return UTC if asked[0].partition(b",")[0].strip().upper() == b"UTC" else None


def _decoded(decode: Decode, body: bytes) -> Sequence[Any]:
    try:
        return decode(body)
    except UpstreamBadResponseError as exc:
        exc.extensions["upstreamStatus"] = 200  # no other answer's body is kept
        raise
