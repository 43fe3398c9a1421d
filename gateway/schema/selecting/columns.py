"""Columns for filters, orders and counts: a list per value, in the order of the sessions.

The lists of a snapshot are made once, and stored on it.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

from gateway.executor.turns import Turns
from gateway.records import dates
from gateway.records.record import Record, valid
from gateway.schema.declare.nodes import LINKS
from gateway.schema.declare.rest_enum import number_of
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.selecting.folding import fold
from gateway.sessions.snapshot import Attachments

Read: TypeAlias = Callable[[ChatSession], Any]
Lists: TypeAlias = Mapping[str, Sequence[Any]]
"""The value of each session, by the name of the value."""

_BLOCK, _STEPS = 50, 20
_OF_FOLDED = {
    "search": (1, 50),
    **dict.fromkeys(("user.order", "contact.order", "customer_name.order"), (10, _STEPS)),
}
"""The size of a block, and the steps per session, for folded texts: each letter is one more."""

# No folded text has an upper-case letter, so no search matches across two fields.
_BETWEEN_TEXTS = "A"

# A cursor contains the text, encrypted, and proxies accept URLs of 8 kB. Accents are not counted.
_LONGEST_ORDERED, _LONGEST_WITH_ACCENTS = 255, 500


@cache
def reader(name: str) -> Read:
    """Return the function that reads one value of a session; None if missing or malformed.

    A name is a field's, one of `_READERS`, or one of these:

        user_id              the key of a linked record
        user.node            the `id` of a linked record
        when_idle.zoned      whether a time names its zone
        when_idle.recent     a time that seconds are counted from
        status.order         the value that `orderBy` compares
    """
    if name in _READERS:
        return _READERS[name]
    field, _, part = name.partition(".")
    if not field.startswith("when_"):
        return lambda session: valid(getattr(session, field))
    convert = _TIMES[part]
    return lambda session: (text := valid(getattr(session, field))) and convert(text, session.as_of)


def _nanoseconds(text: str, as_of: dates.AsOf) -> int:
    # Times in an unknown zone can still be compared with each other.
    return dates.nanoseconds(text, as_of.zone or dates.UTC)


_TIMES: dict[str, Callable[[str, dates.AsOf], object]] = {
    "": _nanoseconds,
    # In units of the last digit that SuperOffice sends, 100 ns, any date fits into 64 bits, which
    # is the limit in a cursor's JSON.
    "order": lambda text, as_of: _nanoseconds(text, as_of) // 100,
    "zoned": lambda text, _: dates.has_zone(text),
    "recent": lambda text, as_of: as_of.recent(text),
}
"""What is read from a time, by the part of the name after the dot."""


def _linked(link: str, read: Callable[[Any], object]) -> Read:
    """Return the function that reads a value of a linked record; None without a valid record."""

    def read_link(session: ChatSession) -> object:
        linked = getattr(session, link)
        return read(linked) if isinstance(linked, Record) else None

    return read_link


_GROUPS = tuple(StatusGroup)

_READERS: dict[str, Read] = {
    **{f"{link}_id": _linked(link, lambda o: valid(getattr(o, o.key))) for link in LINKS},
    **{f"{link}.node": _linked(link, lambda o: o.id) for link in LINKS},
    "assigned": lambda session: valid(session.user) is not None,
    "transfer_pending": lambda session: valid(session.transfer_to) is not None,
    "node": lambda session: session.id,
    "rating": lambda session: valid(session.rating) or None,  # 0 = none
    # A session without a key, which breaks the contract, is identified by its content.
    "id.order": lambda session: None if valid(session.chat_session_id) else session.id,
    "status.order": lambda session: number_of(valid(session.status)),
    "status_group.order": lambda session: (
        None if session.status_group is None else _GROUPS.index(session.status_group)
    ),
    "user.order": _linked("user", lambda user: _folded(user.full_name)),
    "contact.order": _linked("contact", lambda contact: _folded(contact.name)),
    "customer_name.order": lambda session: _folded(session.customer_name),
    "wait_seconds.waiting": lambda session: (
        session.wait_seconds if session.status_group is StatusGroup.WAITING else None
    ),
}


@dataclass(slots=True, eq=False, repr=False)
class Columns:
    """The columns of a list of sessions."""

    sessions: Sequence[ChatSession]
    searched: Collection[str]
    """The fields that `search` may read."""

    turns: Turns
    store: Attachments | None = None
    """Caches the lists."""

    _lists: dict[str, Sequence[Any]] = field(default_factory=dict, init=False)

    async def load(self, names: Iterable[str]) -> Lists:
        """Return the lists, with at least those of these names."""
        for name in names:
            if name not in self._lists:
                found = self.store.get(("column", name)) if self.store else None
                self._lists[name] = await self._read(name) if found is None else found
        return self._lists

    async def values(self, name: str, rows: Collection[int]) -> list[Any]:
        """Return one value of the sessions in these rows."""
        column = (await self.load((name,)))[name]
        await self.turns.spend(len(rows))
        return [column[row] for row in rows]

    async def _read(self, name: str) -> list[Any]:
        read = self._searched if name == "search" else reader(name)
        size, steps = _OF_FOLDED.get(name, (_BLOCK, _STEPS))
        column: list[Any] = []
        sessions = iter(self.sessions)
        while block := [*islice(sessions, size)]:
            values = [*map(read, block)]
            column += values
            letters = sum(map(len, filter(None, values))) if name in _OF_FOLDED else 0
            await self.turns.spend(steps * len(block) + letters)
        if self.store is not None:
            size_bytes = sys.getsizeof(column) + sum(map(sys.getsizeof, column))
            self.store.add(("column", name), column, size_bytes)
        return column

    def _searched(self, session: ChatSession) -> str:
        texts = [text for name in self.searched if (text := valid(getattr(session, name)))]
        self.turns.steps += sum(map(len, texts))  # folding may remove all: then none count later
        return _BETWEEN_TEXTS.join(map(fold, texts))


def _folded(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    return fold(text[:_LONGEST_WITH_ACCENTS])[:_LONGEST_ORDERED]
