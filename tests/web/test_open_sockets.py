"""How many sockets may be open, and which of them go when others need a place."""

from contextlib import ExitStack

import pytest

from gateway.errors import GatewayFullError, TooManyOpenError
from gateway.web.open_sockets import OpenSockets, Place


class Room:
    """Sockets that are open, by name, and those that were evicted."""

    def __init__(self, most: int) -> None:
        self.sockets = OpenSockets(most=most, most_per_caller=2)
        self.evicted: list[str] = []
        self._stack = ExitStack()

    def open(self, name: str) -> Place:
        """Open a socket until the end of the test."""
        return self._stack.enter_context(self.sockets.count(lambda: self.evicted.append(name)))


def test_one_socket_too_many_is_refused_until_another_closes() -> None:
    """Where all of them are accepted."""
    sockets = OpenSockets(most=2, most_per_caller=9)
    with sockets.count(list) as first:
        first.accept()
        with sockets.count(list) as second:
            second.accept()
            with pytest.raises(GatewayFullError):
                ExitStack().enter_context(sockets.count(list))
            assert sockets.open == 2
        with sockets.count(list):
            assert sockets.open == 2
    assert sockets.open == 0


def test_the_oldest_stranger_goes_when_there_are_too_many() -> None:
    """They share a tenth of the places; who is accepted stays."""
    room = Room(most=30)
    room.open("kari").accept()
    for name in ("a", "b", "c", "d", "e"):
        room.open(name)

    assert room.evicted == ["a", "b"]


def test_a_stranger_that_shows_credentials_goes_after_all_others() -> None:
    """Any number of handshakes does not end the check of an honest client's credentials."""
    room = Room(most=30)
    room.open("kari").claim()
    for number in range(5_000):
        room.open(f"{number}")
    assert "kari" not in room.evicted

    for name in ("x", "y", "z"):
        room.open(name).claim()
    assert room.evicted[-1] == "kari"


def test_a_stranger_makes_room_where_all_places_are_taken() -> None:
    """So a tenth of the places is not lost to callers."""
    room = Room(most=10)
    for number in range(9):
        room.open(f"caller {number}").accept()
    room.open("stranger")
    room.open("new").accept()

    assert room.evicted == ["stranger"]


def test_a_caller_has_its_own_number() -> None:
    """What one has open does not count for another."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with ExitStack() as stack:
        for name in ("kari", "kari", "jonas"):
            stack.enter_context(sockets.count_for(name))

        with pytest.raises(TooManyOpenError, match="2 sockets"):
            stack.enter_context(sockets.count_for("kari"))
        stack.enter_context(sockets.count_for("jonas"))
    with ExitStack() as stack:
        stack.enter_context(sockets.count_for("kari"))


def test_who_has_left_is_forgotten() -> None:
    """Memory goes by who is there."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with sockets.count_for("kari"), sockets.count(list), sockets.count(list) as other:
        other.claim()

    assert not (sockets._of_callers or sockets.strangers or sockets.claimants)
