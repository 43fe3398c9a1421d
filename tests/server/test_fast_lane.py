"""Repeated requests on a connection are parsed once and answered each time."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from uvicorn.server import ServerState

from gateway.headers import Header
from gateway.server.protocol import GatewayProtocol
from gateway.server.servers import config_of
from gateway.server.websocket import SocketProtocol
from gateway.web.inbound import Door, RequestHead
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
        """Send pieces, wait for this many answers, and return their data."""
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
    opened = Connection(gateway)
    await opened.send(request(), answers=1)
    await opened.send(request(), answers=1)
    yield opened
    opened.transport.close()
    opened.protocol.connection_lost(None)


async def test_an_equal_request_is_not_parsed_again(connection: Connection) -> None:
    """An equal request gets the cached answer with a new id, and restarts the idle timeout."""
    parsed = connection.protocol.requests_begun
    timers, ids = set(), set()
    for _ in range(3):
        (answer,) = await connection.send(request(), answers=1)
        assert answer == '{"data":{"chatSessions":[{"chatSessionId":1}]}}'
        timers.add(connection.protocol.timeout_keep_alive_task)
        ids |= set(re.findall(rb"x-request-id: (\w+)", connection.transport.written))

    assert connection.protocol.requests_begun == parsed
    assert (len(timers), len(ids)) == (3, 3)


async def test_an_idle_connection_has_the_idle_timeout_alone(connection: Connection) -> None:
    """That of a head would close it much earlier."""
    assert connection.protocol.timeout_keep_alive_task is not None
    assert connection.protocol._head_timer is None


async def test_a_cached_answer_does_not_overtake_another_one(connection: Connection) -> None:
    """The head of an earlier answer has been written, whenever the next request comes."""
    for steps in range(30):
        connection.transport.written = b""
        connection.protocol.data_received(b"HEAD /schema.graphql HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(steps):
            await asyncio.sleep(0)
        connection.protocol.data_received(request())
        async with asyncio.timeout(5):
            while connection.transport.written.count(b"HTTP/1.1 200") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)

        types = re.findall(rb"content-type: (\S+)", connection.transport.written)
        assert types == [b"text/plain;", b"application/json"]


@pytest.mark.parametrize("other", [request("{ chatSessions { topicId } }"), request(caller="ola")])
async def test_another_request_gets_its_own_answer(connection: Connection, other: bytes) -> None:
    """Another request gets its own answer, also when the two alternate."""
    (mine,) = await connection.send(request(), answers=1)
    (first,) = await connection.send(other, answers=1)
    for _ in range(2):
        assert await connection.send(request(), answers=1) == [mine]
        assert await connection.send(other, answers=1) == [first]


async def test_an_equal_piece_is_not_always_an_equal_request(connection: Connection) -> None:
    """Pieces that each end one request and start the next are equal, but no request."""
    whole = request()
    for cut in range(1, len(whole)):
        shifted, begun = whole[cut:] + whole[:cut], connection.protocol.requests_begun
        answers = await connection.send(whole[:cut], *[shifted] * 3, whole[cut:], answers=4)
        assert (len(answers), connection.protocol.requests_begun - begun) == (4, 4)

    two = await connection.send(*[whole + whole] * 3, answers=6)
    assert len(two) == 6


async def test_a_piece_with_the_end_of_another_request_is_not_repeated(
    connection: Connection,
) -> None:
    """A repeated piece that starts with the end of a request is invalid HTTP."""
    whole = request()
    piece = whole[60:] + whole
    await connection.send(whole[:60], piece, answers=2)

    await connection.send(piece, answers=1, end=b"HTTP/1.1 400 ")


async def test_a_request_in_two_pieces_is_not_confused_with_the_last_one(
    connection: Connection,
) -> None:
    """The answer to a request in two pieces is not sent for the next equal piece."""
    (first,) = await connection.send(request(), answers=1)
    other = request("{ chatSessions { topicId } }")
    (second,) = await connection.send(other[:-20], other[-20:], answers=1)

    assert second != first
    assert await connection.send(request(), answers=1) == [first]


async def test_nothing_is_written_to_a_client_that_does_not_read(connection: Connection) -> None:
    """A client that does not read gets its answer once it reads again."""
    await connection.send(request(), answers=1)
    connection.protocol.pause_writing()
    await connection.send(request(), answers=0)
    assert connection.transport.written == b""

    connection.protocol.resume_writing()
    assert len(await connection.send(answers=1)) == 1


async def test_an_equal_request_in_the_middle_of_another_is_part_of_it(
    connection: Connection,
) -> None:
    """The bytes of the last request are a part of the next one if they are in its body."""
    whole = request()
    await connection.send(whole, answers=1)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * len(whole))

    assert await connection.send(head, whole, whole, answers=0) == []
    assert len(await connection.send(whole, answers=1)) == 1


async def test_an_equal_request_is_parsed_after_the_cache_was_invalidated(
    gateway: Gateway, rest: RestSide, connection: Connection
) -> None:
    """After a webhook has invalidated the cache, an equal request is executed."""
    for _ in range(3):
        await connection.send(request(), answers=1)
    rest.body = [{"ChatSessionId": 2}]
    source = gateway.app.state.edge.door.find_source("/graphql", [])
    source.invalidate(source.clock_ns())

    (answer,) = await connection.send(request(), answers=1)
    assert '"chatSessionId":2' in answer
    assert rest.calls == 2


async def test_a_stopping_server_parses_an_equal_request_and_closes(connection: Connection) -> None:
    """A stopping server sends `Connection: close` with its last answer."""
    await connection.send(request(), answers=1)
    connection.protocol.drain()

    await connection.send(request(), answers=1)
    assert b"connection: close" in connection.transport.written
    assert connection.transport.is_closed


async def test_a_stopping_server_still_answers_handshakes(gateway: Gateway) -> None:
    """A stopping server accepts handshakes, since clients do not retry after a 400."""
    connection = Connection(gateway)
    connection.protocol.drain()

    handshake = HANDSHAKE + b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    await connection.send(handshake, answers=1, end=b"HTTP/1.1 101 ")
    connection.transport.protocol.connection_lost(None)  # type: ignore[union-attr]


async def test_reloaded_settings_apply_to_equal_requests(
    connection: Connection,
) -> None:
    """After a reload, which may remove a tenant, an equal request is parsed again."""
    await connection.send(request(), answers=1)
    parsed = connection.protocol.requests_begun
    connection.protocol.forget_head()

    await connection.send(request(), answers=1)
    assert connection.protocol.requests_begun == parsed + 1


async def test_reloaded_settings_apply_to_equal_heads(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reload, which may change the application's token, an equal head is read again."""
    read = Door.read
    heads = list[str]()

    def counted(door: Door, path: str, headers: Sequence[Header]) -> RequestHead:
        heads.append(path)
        return read(door, path, headers)

    monkeypatch.setattr(Door, "read", counted)
    for name in ("customerName", "customerHost"):  # of equal length
        await connection.send(request(f"{{ chatSessions {{ {name} }} }}"), answers=1)
    assert len(heads) == 1

    connection.protocol.forget_head()
    await connection.send(request("{ chatSessions { customerName } }"), answers=1)
    assert len(heads) == 2


async def test_requests_that_differ_in_proxy_headers_are_different(rest: RestSide) -> None:
    """A page of another site gets no answer, even if only the proxy's headers differ."""
    request_ = (
        b"GET /graphql?query=%%7BchatSessions%%7BchatSessionId%%7D%%7D HTTP/1.1\r\nHost: inside\r\n"
        b"Authorization: Bearer kari\r\nOrigin: https://a.example\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: %b.example\r\n\r\n"
    )
    async with gateway_over(rest, trusted_proxies="unix") as gateway:
        connection = Connection(gateway)
        for _ in range(2):
            assert len(await connection.send(request_ % b"a", answers=1)) == 1
        refused = await connection.send(request_ % b"b", answers=1, end=b'"BAD_REQUEST"')
        assert refused == []
        connection.transport.close()
        connection.protocol.connection_lost(None)


@pytest.mark.parametrize("place", [b"/graphql", b"X-A: "], ids=["URI", "header"])
async def test_an_idle_connection_holds_no_long_head(connection: Connection, place: bytes) -> None:
    """Ten thousand connections may be idle, and a head may have 64 KiB."""
    start, protocol = request().replace(b"\r\nHost", b"\r\nX-A: \r\nHost"), connection.protocol
    mark = b"?x=" if place == b"/graphql" else b""
    for long in (b"y" * 9_000, b"z" * 9_000):
        (answer,) = await connection.send(start.replace(place, place + mark + long), answers=1)
        await asyncio.sleep(0.01)
        held: Any = (protocol.scope, protocol.url, protocol.headers, protocol.cycle.scope)

        assert answer == '{"data":{"chatSessions":[{"chatSessionId":1}]}}'
        assert held == ({}, b"", [], {})
        assert (protocol._last_head, protocol._last_request) == (None, b"")
    assert len(await connection.send(request(), answers=1)) == 1


async def test_an_idle_connection_holds_no_long_body(connection: Connection) -> None:
    """A cached answer to a request with a short head and a long body is found each time."""
    long = request("{ chatSessions { chatSessionId } } #" + "x" * 9_000)
    for _ in range(3):
        assert len(await connection.send(long, answers=1)) == 1
        assert connection.protocol._last_request == b""


async def test_the_body_of_a_request_with_a_long_head_may_come_after_its_answer(
    connection: Connection,
) -> None:
    """Then the head is not held either; the connection closes, and sends no cached answer."""
    head = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nX-A: %b\r\n\r\n" % (
        b"x" * 9_000
    )
    await connection.send(head, answers=1, end=b"HTTP/1.1 405")
    await asyncio.sleep(0.01)
    assert not connection.protocol.cycle.scope

    assert await connection.send(b"body" + request(), answers=0) == []
    assert connection.transport.is_closed


async def test_a_long_head_is_forgotten_without_the_head_that_has_begun(
    connection: Connection,
) -> None:
    """A pipelined request may be there in part when the one before it is answered."""
    long = request(caller="ola").replace(b"\r\nHost", b"\r\nX-A: %b\r\nHost" % (b"x" * 9_000))
    cut = request().index(b"Content-Type")
    connection.protocol.data_received(long + request()[:cut])
    await asyncio.sleep(0.05)

    assert len(await connection.send(request()[cut:], answers=1)) == 1


async def test_a_handshake_with_much_data_after_it_is_handed_over(connection: Connection) -> None:
    """A client has to wait for the answer: the data is no HTTP."""
    more = b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n" + b"x" * 10_000
    connection.protocol.data_received(HANDSHAKE + more)

    assert isinstance(connection.transport.protocol, SocketProtocol)
    connection.transport.protocol.connection_lost(None)
