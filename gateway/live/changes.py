"""What changed between two snapshots of one caller. Pure.

    before   1 InQueue   2 UserLast
    after                2 Finished   3 InQueue    →   3 added, 2 updated (status), 1 removed

Only SuperOffice's properties are compared: computed fields, such as wait times, follow the clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from gateway.records.record import Property

if TYPE_CHECKING:
    from gateway.schema.entities.chat import ChatSession

SIGNS_OF_LIFE = frozenset({"when_fetched"})
"""Fields that only show, by a change every few seconds, that the customer's page is open."""


@dataclass(frozen=True, slots=True)
class Update:
    """A session in both snapshots, with the fields that differ."""

    before: "ChatSession"
    after: "ChatSession"
    fields: tuple[str, ...]
    """Their names, as attributes of a record."""


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences between a snapshot and an earlier one."""

    added: Sequence["ChatSession"]
    updated: Sequence[Update]
    removed: Sequence["ChatSession"]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing but `SIGNS_OF_LIFE` has changed."""
        return not (self.added or self.removed) and all(
            SIGNS_OF_LIFE.issuperset(update.fields) for update in self.updated
        )


class Comparison:
    """Compares snapshots by some properties of their sessions, and ignores all others."""

    def __init__(self, properties: Iterable[Property]) -> None:
        self._properties = list(properties)
        self._values = attrgetter("__class__", *(p.slot for p in self._properties))

    def __call__(self, before: Sequence["ChatSession"], after: Sequence["ChatSession"]) -> Changes:
        """Compare the sessions of two snapshots of a caller, matched by `key_of`."""
        old = {key_of(session): session for session in before}
        new = {key_of(session): session for session in after}
        pairs = ((old[key], session) for key, session in new.items() if key in old)
        updates = (Update(was, now, self._differing(was, now)) for was, now in pairs)
        return Changes(
            added=[session for key, session in new.items() if key not in old],
            updated=[update for update in updates if update.fields],
            removed=[session for key, session in old.items() if key not in new],
        )

    def _differing(self, was: "ChatSession", now: "ChatSession") -> tuple[str, ...]:
        if self._values(was) == self._values(now):
            return ()  # the usual case
        return tuple(
            p.slot.removeprefix("_")
            for p in self._properties
            if not _is_same(getattr(was, p.slot), getattr(now, p.slot))
        )


def key_of(session: "ChatSession") -> object:
    """Return the identity of a session in all snapshots."""
    key = session.chat_session_id
    # A session without a key, which breaks the contract, is identified by its content.
    return key if key and key.__class__ is int else session.id


def _is_same(was: object, now: object) -> bool:
    if was == now or not (isinstance(was, msgspec.Raw) and isinstance(now, msgspec.Raw)):
        return was == now
    try:
        # The order of names in a JSON object has no meaning.
        return bool(msgspec.json.decode(was) == msgspec.json.decode(now))
    except ValueError:
        return False
