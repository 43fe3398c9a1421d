"""What changed between two snapshots of one caller. Pure.

    before   1 InQueue   2 UserLast
    after                2 Finished   3 InQueue    →   3 added, 2 updated (status), 1 removed

Only what REST sends is compared: what is told from it, such as a wait, goes by the clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from gateway.records.record import Property, Record

__all__ = ["SIGNS_OF_LIFE", "Changes", "Comparison", "Update"]

SIGNS_OF_LIFE = frozenset({"when_fetched"})
"""Fields that change every few seconds and say no more than that somebody is there."""


@dataclass(frozen=True, slots=True)
class Update:
    """A session that was there and still is, with fields that differ."""

    before: Any
    after: Any
    fields: tuple[str, ...]
    """Their names, as attributes of a record."""


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one snapshot has other than an earlier one."""

    added: Sequence[Any]
    updated: Sequence[Update]
    removed: Sequence[Any]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has happened, signs of life apart."""
        return not (self.added or self.removed) and all(
            SIGNS_OF_LIFE.issuperset(update.fields) for update in self.updated
        )


class Comparison:
    """Compares snapshots by some of a record's properties; no other is told of."""

    def __init__(self, properties: Iterable[Property]) -> None:
        self._properties = list(properties)
        self._values = attrgetter("__class__", *(p.slot for p in self._properties))

    def __call__(self, before: Sequence[Any], after: Sequence[Any]) -> Changes:
        """Compare what a caller's snapshots hold; sessions are known by their keys."""
        old = {_key(session): session for session in before}
        new = {_key(session): session for session in after}
        pairs = ((old[key], session) for key, session in new.items() if key in old)
        updates = (Update(was, now, self._differing(was, now)) for was, now in pairs)
        return Changes(
            added=[session for key, session in new.items() if key not in old],
            updated=[update for update in updates if update.fields],
            removed=[session for key, session in old.items() if key not in new],
        )

    def _differing(self, was: Record, now: Record) -> tuple[str, ...]:
        if self._values(was) == self._values(now):
            return ()  # most of them, most of the time
        return tuple(
            p.slot.removeprefix("_")
            for p in self._properties
            if not _is_same(getattr(was, p.slot), getattr(now, p.slot))
        )


def _key(session: Any) -> object:
    key = session.chat_session_id
    # One without a key, which REST should not send, has only its content to go by.
    return key if key.__class__ is int else session.id


def _is_same(was: Any, now: Any) -> bool:
    if was == now or not (was.__class__ is now.__class__ is msgspec.Raw):
        return bool(was == now)
    try:
        # REST promises no order of the names in an object.
        return bool(msgspec.json.decode(was) == msgspec.json.decode(now))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
