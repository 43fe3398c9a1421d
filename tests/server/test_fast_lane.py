"""Requests that a connection repeats: they are parsed once, and answered each time."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from uvicorn.server import ServerState

from gateway.server.protocol import GatewayProtocol
from gateway.server.servers import config_of
from tests.server.test_websocket import HANDSHAKE
from tests.server.transport import Transport
from tests.support import Gateway, RestSide, gateway_over


def request(text: str = "{ chatSessions { chatSessionId } }", caller: str = "kari") -> bytes:
    """Return a POST in one piece."""
    body = b'{"query": "%b"}' % text.encode()
    return (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
        % (caller.encode(), len(body), body)
    )


class Connection:
    """A connection to a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        config = config_of(gateway.app)
        config.load()
        self.protocol = GatewayProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.transport = Transport()
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    async def send(self, *pieces: bytes, answers: int, end: bytes = b"}]}}") -> list[str]:
        """Send pieces, wait for the end of so many answers, and return the data in them."""
        self.transport.written = b""
        for piece in pieces:
            self.protocol.data_received(piece)
        async with asyncio.timeout(5):
            while self.transport.written.count(end) < answers:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return re.findall(r"\{\"data\".*?\}\]\}\}", self.transport.written.decode())


@pytest.fixture
async def connection(gateway: Gateway) -> AsyncIterator[Connection]:
    """Return a connection whose caller's sessions are cached."""
    made = Connection(gateway)
    await made.send(request(), answers=1)
    await made.send(request(), answers=1)
    yield made
    made.transport.close()
    made.protocol.connection_lost(None)


async def test_an_equal_request_is_not_parsed_again(connection: Connection) -> None:
    """It gets the same answer under an id of its own, and its connection is kept alive anew."""
    parsed = connection.protocol.requests_begun
    timers, ids = set(), set()
    for _ in range(3):
        (answer,) = await connection.send(request(), answers=1)
        assert answer == '{"data":{"chatSessions":[{"chatSessionId":1}]}}'
        timers.add(connection.protocol.timeout_keep_alive_task)
        ids |= set(re.findall(rb"x-request-id: (\w+)", connection.transport.written))

    assert connection.protocol.requests_begun == parsed
    assert (len(timers), len(ids)) == (3, 3)


@pytest.mark.parametrize("other", [request("{ chatSessions { topicId } }"), request(caller="ola")])
async def test_another_request_gets_its_own_answer(connection: Connection, other: bytes) -> None:
    """Also where the two come in turns."""
    (mine,) = await connection.send(request(), answers=1)
    (first,) = await connection.send(other, answers=1)
    for _ in range(2):
        assert await connection.send(request(), answers=1) == [mine]
        assert await connection.send(other, answers=1) == [first]


async def test_an_equal_piece_is_no_equal_request(connection: Connection) -> None:
    """A piece may be the end of one request and the start of the next: all such are equal."""
    whole = request()
    for cut in range(1, len(whole)):
        shifted, begun = whole[cut:] + whole[:cut], connection.protocol.requests_begun
        answers = await connection.send(whole[:cut], *[shifted] * 3, whole[cut:], answers=4)
        assert (len(answers), connection.protocol.requests_begun - begun) == (4, 4)

    two = await connection.send(*[whole + whole] * 3, answers=6)
    assert len(two) == 6


async def test_the_end_of_a_request_and_a_whole_one_are_no_request(connection: Connection) -> None:
    """A second such piece is no HTTP."""
    whole = request()
    piece = whole[60:] + whole
    await connection.send(whole[:60], piece, answers=2)

    await connection.send(piece, answers=1, end=b"HTTP/1.1 400 ")


async def test_a_request_in_two_pieces_is_not_taken_for_the_last_one(
    connection: Connection,
) -> None:
    """The application answers it; the next equal piece is not answered with its data."""
    (mine,) = await connection.send(request(), answers=1)
    other = request("{ chatSessions { topicId } }")
    (theirs,) = await connection.send(other[:-20], other[-20:], answers=1)

    assert theirs != mine
    assert await connection.send(request(), answers=1) == [mine]


async def test_a_client_that_does_not_read_is_not_written_to(connection: Connection) -> None:
    """The application answers once it reads again."""
    await connection.send(request(), answers=1)
    connection.protocol.pause_writing()
    await connection.send(request(), answers=0)
    assert connection.transport.written == b""

    connection.protocol.resume_writing()
    assert len(await connection.send(answers=1)) == 1


async def test_an_equal_request_in_the_middle_of_another_is_part_of_it(
    connection: Connection,
) -> None:
    """A body may be the bytes of the last request."""
    whole = request()
    await connection.send(whole, answers=1)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * len(whole))

    assert await connection.send(head, whole, whole, answers=0) == []
    assert len(await connection.send(whole, answers=1)) == 1


async def test_an_equal_request_is_parsed_where_its_answer_has_to_be_made(
    gateway: Gateway, rest: RestSide, connection: Connection
) -> None:
    """As after a change that a webhook has told of."""
    for _ in range(3):
        await connection.send(request(), answers=1)
    rest.body = [{"ChatSessionId": 2}]
    source = gateway.app.state.edge.door.find_source("/graphql", [])
    source.invalidate(source.clock_ns())

    (answer,) = await connection.send(request(), answers=1)
    assert '"chatSessionId":2' in answer
    assert rest.calls == 2


async def test_a_server_that_stops_parses_and_closes(connection: Connection) -> None:
    """Its last answer says so."""
    await connection.send(request(), answers=1)
    connection.protocol.drain()

    await connection.send(request(), answers=1)
    assert b"connection: close" in connection.transport.written
    assert connection.transport.is_closed


async def test_a_server_that_stops_still_answers_handshakes(gateway: Gateway) -> None:
    """Also where one is the first request on its connection: clients take a 400 as final."""
    connection = Connection(gateway)
    connection.protocol.drain()

    handshake = HANDSHAKE + b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    await connection.send(handshake, answers=1, end=b"HTTP/1.1 101 ")
    connection.transport.protocol.connection_lost(None)  # type: ignore[union-attr]


async def test_settings_that_are_read_again_hold_for_equal_requests(
    connection: Connection,
) -> None:
    """A tenant may be gone then."""
    await connection.send(request(), answers=1)
    parsed = connection.protocol.requests_begun
    connection.protocol.forget_head()

    await connection.send(request(), answers=1)
    assert connection.protocol.requests_begun == parsed + 1


async def test_what_a_proxy_says_of_a_request_tells_it_from_others(rest: RestSide) -> None:
    """A page of another site reads nothing, also where its address is the only difference."""
    sent = (
        b"GET /graphql?query=%%7BchatSessions%%7BchatSessionId%%7D%%7D HTTP/1.1\r\nHost: inside\r\n"
        b"Authorization: Bearer kari\r\nOrigin: https://a.example\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: %b.example\r\n\r\n"
    )
    async with gateway_over(rest, trusted_proxies="unix") as gateway:
        connection = Connection(gateway)
        for _ in range(2):
            assert len(await connection.send(sent % b"a", answers=1)) == 1
        refused = await connection.send(sent % b"b", answers=1, end=b'"BAD_REQUEST"')
        assert refused == []
        connection.transport.close()
        connection.protocol.connection_lost(None)
