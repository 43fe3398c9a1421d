"""What a client may send over a WebSocket: counted in frames and bytes, without a network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from gateway.server import websocket
from gateway.server.websocket import SocketProtocol
from gateway.web.read import body as receiving
from tests.server.transport import Transport

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
LARGEST = 2**20


class Client:
    """A connection, and an application that accepts it and receives when it is told to."""

    def __init__(self, *, is_stranger: bool) -> None:
        config = uvicorn.Config(self.app, log_config=None, ws_max_size=LARGEST, interface="asgi3")
        config.load()
        self.protocol = SocketProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.transport = Transport()
        self.protocol.connection_made(self.transport)
        self._is_stranger = is_stranger
        self.may_receive = asyncio.Semaphore(0)
        self.received: list[Any] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while not self.received or self.received[-1]["type"] != "websocket.disconnect":
            await self.may_receive.acquire()
            self.received.append(await receive())

    async def open(self, more: bytes = b"") -> "Client":
        """Take the handshake."""
        self.protocol.data_received(HANDSHAKE + more + b"\r\n")
        self.protocol._is_strangers = self._is_stranger
        await turns(5)
        self.transport.written = self.transport.written.partition(b"\r\n\r\n")[2]
        return self

    def send(self, *frames: bytes) -> None:
        """Send frames in one read."""
        self.protocol.data_received(b"".join(frames))

    @property
    def code(self) -> int | None:
        """The code that the connection was closed with."""
        closed = self.protocol.conn.close_sent
        return closed.code if closed and self.transport.is_closed else None


async def turns(count: int) -> None:
    """Let everything else run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """Return a frame as clients send it."""
    return Frame(opcode, data, fin).serialize(mask=True)


@pytest.fixture
async def stranger() -> Client:
    """Return a connection whose client is not accepted yet."""
    return await Client(is_stranger=True).open()


@pytest.fixture
async def known() -> AsyncIterator[Client]:
    """Return a connection whose client is accepted; at the end it holds nothing."""
    client = await Client(is_stranger=False).open()
    yield client
    client.protocol.connection_lost(None)
    client.may_receive.release()
    await turns(3)
    assert receiving.Share.held_bytes == 0


TOO_MUCH = {
    "a large message": [frame(b"x" * 20_000)],
    "one in fragments": [
        frame(b"x" * 9_000, fin=False),
        *([frame(b"x" * 9_000, Opcode.CONT, fin=False)] * 2),
    ],
    "many fragments of no byte": [
        frame(b"", fin=False),
        *([frame(b"", Opcode.CONT, fin=False)] * 300),
    ],
    "many pings": [frame(b"", Opcode.PING)] * 300,
    "a message, and much behind it": [frame(b"{}"), frame(b"x" * 20_000)],
}


@pytest.mark.parametrize("frames", TOO_MUCH.values(), ids=TOO_MUCH)
async def test_a_stranger_may_send_little(stranger: Client, frames: list[bytes]) -> None:
    """After 1013 clients try again, since it may be the login that takes long."""
    stranger.may_receive.release()
    stranger.send(*frames)
    await turns(100)

    assert stranger.code == 1013
    assert len(stranger.protocol.conn.reader.buffer) < 17_000


async def test_a_stranger_can_log_in_and_ask(stranger: Client) -> None:
    """A message of 8 kB is no problem, nor is one in a few fragments."""
    for _ in range(2):
        stranger.may_receive.release()
    stranger.send(frame(b"x" * 8_000), frame(b"a", fin=False), frame(b"b", Opcode.CONT))
    await turns(20)

    assert [len(message["text"]) for message in stranger.received] == [8_000, 2]


async def test_frames_are_parsed_in_turns(known: Client) -> None:
    """Others get theirs between: 40,000 pings in one read are answered bit by bit."""
    answered: list[int] = []
    known.send(frame(b"", Opcode.PING) * 40_000)
    for _ in range(1_000):
        answered.append(len(known.transport.written) // 2 - sum(answered))
        await turns(1)

    assert max(answered) < 700
    assert len(known.transport.written) == 2 * 40_000
    assert not known.transport.is_paused


async def test_messages_wait_unparsed(known: Client) -> None:
    """The application gets one after the other; what waits is what came in one read."""
    known.send(*[frame(b"%d" % number) for number in range(10_000)])
    await turns(5)
    assert known.protocol.queue.qsize() < 100
    assert known.transport.is_paused

    known.may_receive._value = 10_000
    known.may_receive.release()
    await turns(50_000)
    assert [int(message["text"]) for message in known.received] == list(range(10_000))
    assert not known.transport.is_paused


async def test_a_client_that_does_not_read_gets_no_more_pongs(known: Client) -> None:
    """Until it reads again: they would pile up."""
    known.protocol.pause_writing()
    known.send(frame(b"", Opcode.PING) * 100)
    assert known.transport.is_paused
    assert known.transport.written == b""

    known.protocol.resume_writing()
    await turns(5)
    assert len(known.transport.written) == 200


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(b"x" * (LARGEST + 1))], 1009),
        ([frame(b"", fin=False), *([frame(b"", Opcode.CONT, fin=False)] * 1_001)], 1009),
        ([frame(b"\xff")], 1007),
        ([frame(b"", Opcode.CONT)], 1002),
    ],
    ids=["too large", "too many fragments", "not UTF-8", "no message to go on with"],
)
async def test_what_no_retry_mends_has_a_code_that_is_final(
    known: Client, frames: list[bytes], code: int
) -> None:
    """Whoever the client is."""
    known.may_receive.release()
    known.send(*frames)
    await turns(2_500)

    assert known.code == code


@pytest.mark.parametrize("binary", [False, True])
async def test_a_known_client_may_send_as_much_as_is_set(known: Client, *, binary: bool) -> None:
    """A megabyte, in fragments of a few kilobytes, too."""
    known.may_receive.release()
    opcode = Opcode.BINARY if binary else Opcode.TEXT
    known.send(
        frame(b"x" * 8_192, opcode, fin=False),
        frame(b"x" * 8_192, Opcode.CONT, fin=False) * 126,
        frame(b"x" * 8_192, Opcode.CONT),
    )
    await turns(5_000)

    assert len(known.received[0]["bytes" if binary else "text"]) == LARGEST


async def test_messages_that_are_not_complete_are_bounded_in_all(
    known: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is small enough; small ones of others are not affected."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 100_000)
    other = await Client(is_stranger=False).open()
    for client in (known, other):
        client.send(frame(b"x" * 60_000, fin=False))
        await turns(50)
    third = await Client(is_stranger=False).open()
    third.may_receive.release()
    third.send(frame(b"x" * 9_000))
    await turns(50)

    assert [known.code, other.code, third.code] == [None, 1013, None]
    assert len(third.received) == 1
    other.protocol.connection_lost(None)


@pytest.mark.parametrize(
    "begun",
    [frame(b"x", fin=False), frame(b"x" * 100)[:50]],
    ids=["a frame is missing", "half a frame"],
)
async def test_a_message_has_some_time_to_arrive(
    known: Client, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """From its first byte to its last."""
    monkeypatch.setattr(websocket, "_MESSAGE_TIMEOUT_S", 0.01)
    known.may_receive.release()
    known.send(begun)
    await asyncio.sleep(0.05)

    assert known.code == 1013


async def test_a_message_that_arrives_in_time_stops_its_timer(known: Client) -> None:
    """A client that then is silent stays."""
    known.may_receive.release()
    whole = frame(b"x" * 100)
    known.send(whole[:50])
    known.send(whole[50:])
    await turns(3)

    assert len(known.received) == 1
    assert known.protocol._message_timer is None


async def test_a_close_of_ours_is_completed_by_the_clients(known: Client) -> None:
    """Whatever it has sent before is dropped."""
    await known.protocol.send({"type": "websocket.close", "code": 1000, "reason": ""})
    known.send(*([frame(b"x")] * 200), frame(b"\x03\xe8", Opcode.CLOSE))
    await turns(10)

    assert known.transport.is_closed
    assert known.protocol.close_timer is None


HEADS: dict[str, tuple[bytes, Callable[[Client], bool]]] = {
    "a long cookie": (
        b"Cookie: " + b"x" * 50_000 + b"\r\n",
        lambda client: client.protocol.handshake_initiated,
    ),
    "200 headers": (b"a: b\r\n" * 195, lambda client: client.protocol.handshake_initiated),
    "more than can be parsed": (b"a: b\r\n" * 300, lambda client: client.transport.is_closed),
}


@pytest.mark.parametrize(("more", "holds"), HEADS.values(), ids=HEADS)
async def test_a_handshake_is_accepted_or_refused(
    more: bytes, holds: Callable[[Client], bool]
) -> None:
    """It never waits for more, and has the same limits as any other request."""
    assert holds(await Client(is_stranger=True).open(more))
