"""The number of open WebSockets is limited, and unauthenticated ones make room for others."""

from contextlib import ExitStack

import pytest
from graphql import GraphQLSchema

from gateway.errors import GatewayFullError, TooManyOpenError
from gateway.schema.engine import Operation
from gateway.schema.guard.documents import Document
from gateway.schema.guard.limits import Limits
from gateway.web.open_sockets import OpenSockets, Place
from gateway.web.read.accept import EVENT_STREAM
from tests.support import CREDENTIALS, RestSide, gateway_over
from tests.web.asking import connected_to


class Room:
    """Opens sockets by name and records which were evicted."""

    def __init__(self, most: int) -> None:
        self.sockets = OpenSockets(most=most, most_per_caller=2)
        self.evicted: list[str] = []
        self._stack = ExitStack()

    def open(self, name: str, network: str = "") -> Place:
        """Open a socket until the end of the test."""
        count = self.sockets.count(lambda: self.evicted.append(name), network)
        return self._stack.enter_context(count)


def operation(characters: int, variables_bytes: int = 0) -> Operation:
    """Return an operation with a text of this length, which is never parsed."""
    document = Document("#" * characters, GraphQLSchema(), Limits(), lambda _: [])
    return Operation(document, variables_bytes=variables_bytes)


def test_a_socket_past_the_limit_is_refused_until_another_closes() -> None:
    """A socket past the limit is refused while all others are authenticated."""
    sockets = OpenSockets(most=2, most_per_caller=9)
    with sockets.count(list, "") as first:
        first.accept()
        with sockets.count(list, "") as second:
            second.accept()
            with pytest.raises(GatewayFullError):
                ExitStack().enter_context(sockets.count(list, ""))
            assert sockets.open == 2
        with sockets.count(list, ""):
            assert sockets.open == 2
    assert sockets.open == 0


def test_the_oldest_unauthenticated_socket_is_evicted() -> None:
    """Unauthenticated sockets share a tenth of the places; the oldest of them is evicted."""
    room = Room(most=30)
    room.open("kari").accept()
    for name in ("a", "b", "c", "d", "e"):
        room.open(name)

    assert room.evicted == ["a", "b"]


def test_a_socket_with_credentials_is_evicted_last() -> None:
    """Any number of handshakes does not evict a socket whose credentials are being checked."""
    room = Room(most=30)
    room.open("kari").has_login = True
    for number in range(5_000):
        room.open(f"{number}")
    assert "kari" not in room.evicted

    for name in ("x", "y", "z"):
        room.open(name).has_login = True
    assert room.evicted[-1] == "kari"


def test_the_network_with_the_most_unauthenticated_sockets_loses_its_oldest() -> None:
    """Whoever opens many with wrong credentials closes none of other networks."""
    room = Room(most=30)
    for name, network in ("kari", "here"), ("a", "there"), ("b", "there"), ("c", "there"):
        room.open(name, network).has_login = True

    assert room.evicted == ["a"]


def test_wrong_credentials_close_no_socket_that_is_about_to_send_its_own() -> None:
    """After the handshake, those of a client come a round trip later."""
    room = Room(most=160)
    for number in range(15):
        room.open(f"wrong {number}", "there").has_login = True
    room.open("kari", "here")
    for number in range(15, 19):
        room.open(f"wrong {number}", "there").has_login = True

    assert room.evicted == ["wrong 0", "wrong 1", "wrong 2", "wrong 3"]


def test_a_few_sockets_without_credentials_are_evicted_last() -> None:
    """They keep an eighth of the places, also in a network whose other sockets are closed."""
    room = Room(most=160)
    room.open("new", "here")
    room.open("kari", "here").has_login = True
    for number in range(15):
        room.open(f"{number}", f"network {number}").has_login = True

    assert room.evicted == ["kari"]


def test_sockets_with_and_without_credentials_are_counted_separately() -> None:
    """A network where many log in loses none of its new sockets to others without credentials."""
    room = Room(most=60)
    for name in ("a", "b", "c"):
        room.open(name, "here").has_login = True
    for name, network in ("x", "there"), ("kari", "here"), ("y", "elsewhere"), ("z", "another"):
        room.open(name, network)

    assert room.evicted == ["x"]


def test_an_unauthenticated_socket_makes_room_for_a_caller() -> None:
    """Authenticated callers can use all places: an unauthenticated socket is evicted."""
    room = Room(most=10)
    for number in range(9):
        room.open(f"caller {number}").accept()
    room.open("stranger")
    room.open("new").accept()

    assert room.evicted == ["stranger"]


def test_each_caller_has_its_own_limit() -> None:
    """Sockets of one caller do not count toward the limit of another."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with ExitStack() as stack:
        for name in ("kari", "kari", "jonas"):
            stack.enter_context(sockets.count_for(name))

        with pytest.raises(TooManyOpenError, match="2 sockets"):
            stack.enter_context(sockets.count_for("kari"))
        stack.enter_context(sockets.count_for("jonas"))
    with ExitStack() as stack:
        stack.enter_context(sockets.count_for("kari"))


def test_the_other_sockets_of_a_caller_count_when_one_closes() -> None:
    """Whoever opens and closes sockets gets no more of them."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with sockets.count_for("kari"), ExitStack() as stack:
        with sockets.count_for("kari"):
            pass
        stack.enter_context(sockets.count_for("kari"))

        with pytest.raises(TooManyOpenError):
            stack.enter_context(sockets.count_for("kari"))


def test_the_different_texts_of_a_caller_are_limited() -> None:
    """A running operation holds its syntax tree; equal ones share it."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    long, short, other, longest = map(operation, (90_000, 1, 10_000, 200_000))
    with ExitStack() as stack:
        for caller, one in (("kari", long), ("kari", long), ("kari", short), ("jonas", long)):
            stack.enter_context(sockets.count_operation(caller, one))

        with pytest.raises(TooManyOpenError, match="may have 100000 characters"):
            stack.enter_context(sockets.count_operation("kari", other))
    with sockets.count_operation("kari", longest):  # another limit is that of a single text
        assert [*sockets._running] == ["kari"]


def test_the_variables_of_a_callers_operations_are_limited() -> None:
    """A running operation holds its variables too; many small ones are allowed."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    small, large = operation(1, 999), operation(1, 60_000)
    with ExitStack() as stack:
        for one in (large, *[small] * 1_000):
            stack.enter_context(sockets.count_operation("kari", one))

        with pytest.raises(TooManyOpenError, match="variables, may have 100000 characters"):
            stack.enter_context(sockets.count_operation("kari", large))
        stack.enter_context(sockets.count_operation("jonas", large))


async def test_the_texts_of_running_subscriptions_count_on_every_transport(rest: RestSide) -> None:
    """The next one is refused, and those that run go on."""
    texts = [f"subscription {{ chatSessions {{ id }} }}#{n}{'x' * 40_000}" for n in range(3)]
    async with gateway_over(rest) as gateway, connected_to(gateway.app, CREDENTIALS) as socket:
        await socket.log_in()
        for number, text in enumerate(texts):
            socket.send_json({"type": "subscribe", "id": f"{number}", "payload": {"query": text}})
            message = await socket.until("next", "error")
            assert message["type"] == ("next" if number < 2 else "error")
        stream = await gateway.post(texts[2], headers={**CREDENTIALS, "Accept": EVENT_STREAM})

    assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert stream.status_code == 429


def test_a_closed_socket_is_forgotten() -> None:
    """A closed socket leaves nothing in memory."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with sockets.count_for("kari"), sockets.count(list, ""), sockets.count(list, "") as other:
        other.has_login = True
        with sockets.count_operation("kari", operation(1)):
            assert sockets._running

    assert not (sockets._of_callers or sockets.strangers or sockets._running)
