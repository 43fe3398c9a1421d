"""Whom REST has turned away: how long that is known, and of how many."""

import pytest

from gateway.sessions import revocations
from gateway.sessions.revocations import Revocations
from gateway.store.shared import Place


def place(name: str) -> Place:
    """Return what somebody's credentials are called."""
    return Place(name, bytes(32))


async def test_what_was_asked_for_later_is_not_covered() -> None:
    """REST may accept the same credentials again."""
    known = Revocations()
    await known.add(place("kari"), 100, cached_s=5)

    covered = [await known.cover(place("kari"), time_ns, 200) for time_ns in (99, 100, 101)]

    assert covered == [True, True, False]
    assert not await known.cover(place("jonas"), 99, 200)


async def test_of_too_many_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes again is not."""
    monkeypatch.setattr(revocations, "_MOST", 2)
    known = Revocations()
    for name in ("kari", "jonas", "kari", "emma"):
        await known.add(place(name), 100, cached_s=5)

    covered = [await known.cover(place(name), 99, 200) for name in ("kari", "jonas", "emma")]

    assert covered == [True, False, True]
