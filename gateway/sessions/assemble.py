"""From an answer of SuperOffice to a snapshot."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Any

from gateway.caller import Caller
from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import AsOf
from gateway.sessions.attachments import Attachments
from gateway.sessions.snapshot import Origin, Snapshot, Stored

# The memory of a snapshot, measured with tracemalloc on full and on sparse sessions: most of it is
# the JSON that linked objects and maps are read from.
_MEMORY_PER_JSON_BYTE = 1.3
_MEMORY_PER_SESSION = 600

# Attachments may take as much memory again as the sessions do, and this at least.
_LEAST_FOR_ATTACHMENTS = 32 * 2**10

_LARGE = 2**20

Decode = Callable[[bytes], Sequence[Any]]
"""Decodes the records of a body."""


async def assemble(
    stored: Stored, decode: Decode, zone: tzinfo | None, *, origin: Origin, fetch_s: float
) -> Snapshot:
    """Make a snapshot, whose zone-less times are in `zone`.

    Raises:
        UpstreamBadResponseError: the body is not an array of sessions.
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
    own_bytes = round(len(body) * _MEMORY_PER_JSON_BYTE) + _MEMORY_PER_SESSION * len(sessions)
    return Snapshot(
        sessions=sessions,
        as_of=as_of,
        asked_ns=stored.asked_ns,
        own_bytes=own_bytes,
        origin=origin,
        fetch_s=fetch_s,
        decode_s=time.perf_counter() - started,
        attachments=Attachments(max(own_bytes, _LEAST_FOR_ATTACHMENTS)),
        json_bytes=len(body),
    )


def zone_of(caller: Caller, base: tzinfo | None) -> tzinfo | None:
    """Return the zone of the zone-less times in a caller's answers.

    `SO-TimeZone` moves them from the tenant's base zone to the one it names, by SuperOffice's own
    codes, of which only UTC names a zone.
    """
    asked = [value for name, value in caller.headers if name == b"so-timezone"]
    if not asked:
        return base
    return UTC if asked[0].partition(b",")[0].strip().upper() == b"UTC" else None


def _decoded(decode: Decode, body: bytes) -> Sequence[Any]:
    try:
        return decode(body)
    except UpstreamBadResponseError as exc:
        exc.extensions["upstreamStatus"] = 200  # only a 200 is decoded
        raise
