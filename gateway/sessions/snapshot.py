"""Snapshots of a caller's sessions: their assembly, and their form in the shared cache."""

import asyncio
import struct
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal

from cachetools import LRUCache

from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import AsOf
from gateway.records.decode import Decode, parts


class Attachments:
    """An LRU cache for objects of one snapshot, up to `max_bytes`; it is dropped with the snapshot.

    So no object needs to be invalidated, and none can reach another caller.
    """

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[Hashable, tuple[Any, int]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry[1]
        )

    @property
    def size_bytes(self) -> int:
        """The sum of the sizes that were passed to `add`."""
        return int(self._entries.currsize)

    def get(self, key: Hashable) -> Any:  # of the type that was added
        """Return the object stored under `key`."""
        return self._entries.get(key, (None, 0))[0]

    def add(self, key: Hashable, value: object, size_bytes: int) -> None:
        """Store an object, unless the key is in use or the object is larger than `max_bytes`.

        A key in use becomes the latest one: another request has just made the same.
        """
        if self.get(key) is None:
            with suppress(ValueError):
                self._entries[key] = (value, size_bytes)


def compact(json: bytes) -> bytes:
    """Copy JSON for the cache: orjson's own buffer can be ten times as large as the JSON."""
    return memoryview(json).tobytes()


_TOOK = struct.Struct(">q")

Origin = Literal["upstream", "shared"]
"""The source of a snapshot: a REST call of this process, or the shared cache."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Snapshot:
    """One decoded answer of SuperOffice for one caller, immutable."""

    sessions: Sequence[Any]  # the type depends on the decoder
    """The records, in SuperOffice's order."""

    as_of: AsOf
    """The time of the answer, and the zone of its zone-less times; each session has it too."""

    requested_ns: int
    """When the call began, in nanoseconds since 1970; changes after it may be missing."""

    own_bytes: int
    """The approximate memory of the sessions."""

    origin: Origin
    fetch_s: float
    decode_s: float
    attachments: Attachments
    """Answers that were made from the snapshot."""

    json_bytes: int
    """The size of SuperOffice's answer, decompressed."""

    @property
    def size_bytes(self) -> int:
        """Its approximate memory, attachments included."""
        return self.own_bytes + self.attachments.size_bytes

    @property
    def times_s(self) -> Mapping[str, float]:
        """The seconds of each step: `upstream` or `shared`, then `decode`."""
        return {self.origin: self.fetch_s, "decode": self.decode_s}


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """The body of one answer of SuperOffice, and its times in nanoseconds since 1970."""

    body: bytes
    requested_ns: int
    fetched_ns: int

    def to_bytes(self) -> bytes:
        """Encode it for the shared cache, which measures its age with its own clock."""
        return _TOOK.pack(self.fetched_ns - self.requested_ns) + self.body

    @classmethod
    def from_bytes(cls, content: bytes, fetched_ns: int) -> "Stored":
        """Decode the bytes of `to_bytes`; `fetched_ns` follows from the age in the shared cache."""
        (took_ns,) = _TOOK.unpack_from(content)
        return cls(content[_TOOK.size :], fetched_ns - took_ns, fetched_ns)


# The memory of a snapshot, measured with tracemalloc on full and on sparse sessions: most of it is
# the JSON that linked objects and maps are read from.
_MEMORY_PER_JSON_BYTE = 1.3
_MEMORY_PER_SESSION = 600
_MEMORY_WITHOUT_SESSIONS = 2_500  # with its entry in the cache

_LEAST_FOR_ATTACHMENTS = 32 * 2**10

_LARGEST_ON_THE_LOOP = 2**18
"""The most bytes decoded on the event loop: 20 ms if each session has an invalid value."""

_MOST_ON_THE_LOOP = 5_000
"""The most sessions completed on the event loop: many small ones can be few bytes."""

_PART_BYTES = 2**20

Complete = Callable[[Sequence[Any]], object]
"""Sets the fields that depend on other sessions of the same answer, or on settings."""


async def assemble(
    stored: Stored,
    decode: Decode,
    complete: Complete,
    zone: tzinfo | None,
    *,
    origin: Origin,
    fetch_s: float,
) -> Snapshot:
    """Make a snapshot, whose zone-less times are in `zone`.

    Raises:
        UpstreamBadResponseError: the body is not an array of sessions.
    """
    started = time.perf_counter()
    body, as_of = stored.body, AsOf(stored.fetched_ns, zone)
    try:
        sessions = await _decoded(body, decode)
    except UpstreamBadResponseError as exc:
        exc.extensions["upstreamStatus"] = 200  # only a 200 is decoded
        raise

    def finish() -> None:
        complete(sessions)
        for session in sessions:
            session.as_of = as_of

    if len(sessions) <= _MOST_ON_THE_LOOP:
        finish()
    else:
        await asyncio.to_thread(finish)
    memory = _MEMORY_WITHOUT_SESSIONS + _MEMORY_PER_SESSION * len(sessions)
    own_bytes = round(memory + _MEMORY_PER_JSON_BYTE * len(body))
    return Snapshot(
        sessions=sessions,
        as_of=as_of,
        requested_ns=stored.requested_ns,
        own_bytes=own_bytes,
        origin=origin,
        fetch_s=fetch_s,
        decode_s=time.perf_counter() - started,
        attachments=attachments_for(own_bytes),
        json_bytes=len(body),
    )


def attachments_for(own_bytes: int) -> Attachments:
    """Make room for twice the memory of some sessions: an answer with all of them, and its rows."""
    return Attachments(max(2 * own_bytes, _LEAST_FOR_ATTACHMENTS))


async def _decoded(body: bytes, decode: Decode) -> Sequence[Any]:
    """Decode a body; a large one on a thread, in parts of a millisecond if its values are valid."""
    if len(body) <= _LARGEST_ON_THE_LOOP:
        return decode(body)
    sessions: list[Any] = []
    with suppress(UpstreamBadResponseError):
        for part in parts(body, _PART_BYTES):
            sessions += await asyncio.to_thread(decode, part)
        return sessions
    return await asyncio.to_thread(decode, body)  # a cut was within an object, or it is no JSON
