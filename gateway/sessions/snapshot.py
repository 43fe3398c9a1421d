"""Snapshots of a caller's sessions, and the form in which they are shared between processes."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.records.dates import AsOf
from gateway.sessions.attachments import Attachments

_TOOK = struct.Struct(">q")

Origin = Literal["upstream", "shared"]
"""Where this process has a snapshot from: a REST call of its own, or the shared cache."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Snapshot:
    """One decoded answer of SuperOffice for one caller, immutable."""

    sessions: Sequence[Any]
    """The records, in SuperOffice's order."""

    as_of: AsOf
    """The time of the answer, and the zone of its zone-less times; each session has it too."""

    asked_ns: int
    """When the call began, in nanoseconds since 1970: later changes may be missing."""

    own_bytes: int
    """The approximate memory of the sessions."""

    origin: Origin
    fetch_s: float
    decode_s: float
    attachments: Attachments[Any]  # of the rooms above
    """Answers that were made from it."""

    json_bytes: int
    """The size of SuperOffice's answer, decompressed."""

    @property
    def size_bytes(self) -> int:
        """Its approximate memory, attachments included."""
        return self.own_bytes + self.attachments.size_bytes

    @property
    def times_s(self) -> Mapping[str, float]:
        """The seconds it took, by step: `upstream` or `shared`, then `decode`."""
        return {self.origin: self.fetch_s, "decode": self.decode_s}


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """The body of one answer of SuperOffice, and its times in nanoseconds since 1970."""

    body: bytes
    asked_ns: int
    fetched_ns: int

    def to_bytes(self) -> bytes:
        """Write it for the shared cache, which keeps its age by its own clock."""
        return _TOOK.pack(self.fetched_ns - self.asked_ns) + self.body

    @classmethod
    def from_bytes(cls, content: bytes, fetched_ns: int) -> "Stored":
        """Read what `to_bytes` wrote; `fetched_ns` comes from the age in the shared cache."""
        (took_ns,) = _TOOK.unpack_from(content)
        return cls(content[_TOOK.size :], fetched_ns - took_ns, fetched_ns)
