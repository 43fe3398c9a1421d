"""Limits on a WebSocket's messages in frames and bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from gateway.server import websocket
from gateway.server.websocket import SocketProtocol
from gateway.web.read import body as receiving
from tests.server.transport import Transport
from tests.support import CREDENTIALS, Gateway
from tests.waiting import until

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
LARGEST = 2**20


class Client:
    """A WebSocket connection, and an application that receives when `may_receive` allows it."""

    def __init__(self, *, is_stranger: bool | None, app: Any = None) -> None:
        config = uvicorn.Config(
            app or self.app,
            log_config=None,
            ws_max_size=LARGEST,
            interface="asgi3",
            proxy_headers=False,
        )
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
        """Complete the handshake."""
        self.protocol.data_received(HANDSHAKE + more + b"\r\n")
        if self._is_stranger is not None:  # otherwise a gateway decides that
            self.protocol._is_strangers = self._is_stranger
        await run_loop(5)
        self.transport.written = self.transport.written.partition(b"\r\n\r\n")[2]
        return self

    def send(self, *frames: bytes) -> None:
        """Send frames in one read."""
        self.protocol.data_received(b"".join(frames))

    @property
    def code(self) -> int | None:
        """The code with which the connection was closed, or None."""
        closed = self.protocol.conn.close_sent
        return closed.code if closed and self.transport.is_closed else None


async def run_loop(count: int) -> None:
    """Let other tasks run for this many turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """Return a client's frame."""
    return Frame(opcode, data, fin).serialize(mask=True)


@pytest.fixture
async def stranger() -> AsyncIterator[Client]:
    """Return a connection of an unauthenticated client."""
    client = await Client(is_stranger=True).open()
    yield client
    client.protocol.connection_lost(None)


@pytest.fixture
async def known() -> AsyncIterator[Client]:
    """Return a connection of an authenticated client, which at its end has freed all memory."""
    client = await Client(is_stranger=False).open()
    yield client
    client.protocol.connection_lost(None)
    client.may_receive.release()
    await run_loop(3)
    assert not receiving.IncompleteBytes.held


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
    "a message, and a large one after it": [frame(b"{}"), frame(b"x" * 20_000)],
}


@pytest.mark.parametrize("frames", TOO_MUCH.values(), ids=TOO_MUCH)
async def test_an_unauthenticated_client_may_send_little(
    stranger: Client, frames: list[bytes]
) -> None:
    """An unauthenticated client that sends much is closed with 1013, after which it may retry."""
    stranger.may_receive.release()
    stranger.send(*frames)
    await run_loop(100)

    assert stranger.code == 1013
    assert len(stranger.protocol.conn.reader.buffer) < 17_000


async def test_an_unauthenticated_client_can_log_in_and_send_a_query(stranger: Client) -> None:
    """A message of 8 kB or in a few fragments is accepted before the login."""
    for _ in range(2):
        stranger.may_receive.release()
    stranger.send(frame(b"x" * 8_000), frame(b"a", fin=False), frame(b"b", Opcode.CONT))
    await run_loop(20)

    assert [len(message["text"]) for message in stranger.received] == [8_000, 2]


@pytest.mark.parametrize(
    ("login", "code"), [(CREDENTIALS, None), ({}, 1013)], ids=["accepted", "no credentials"]
)
async def test_the_limits_are_lifted_once_superoffice_has_accepted_the_client(
    gateway: Gateway, login: dict[str, str], code: int | None
) -> None:
    """A handshake or a login without credentials does not lift them."""
    client = await Client(is_stranger=None, app=gateway.app).open(
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
    )
    client.send(frame(orjson.dumps({"type": "connection_init", "payload": login})))
    await until(lambda: b"connection_ack" in client.transport.written)
    client.send(frame(orjson.dumps({"type": "ping", "payload": {"x": "x" * 20_000}})))
    await until(lambda: b"pong" in client.transport.written or client.transport.is_closed)

    assert client.code == code
    client.protocol.connection_lost(None)
    await run_loop(5)


async def test_frames_are_parsed_in_turns(known: Client) -> None:
    """Other tasks run while 40,000 pings of one read are answered."""
    answered_per_turn: list[int] = []
    known.send(frame(b"", Opcode.PING) * 40_000)
    for _ in range(1_000):
        answered_per_turn.append(len(known.transport.written) // 2 - sum(answered_per_turn))
        await run_loop(1)

    assert max(answered_per_turn) < 700
    assert len(known.transport.written) == 2 * 40_000
    assert not known.transport.is_paused


async def test_messages_wait_unparsed(known: Client) -> None:
    """Messages that the application has not received yet wait unparsed, and reading pauses."""
    known.send(*[frame(b"%d" % number) for number in range(10_000)])
    await run_loop(5)
    assert known.protocol.queue.qsize() < 100
    assert known.transport.is_paused

    known.may_receive._value = 10_000
    known.may_receive.release()
    await run_loop(50_000)
    assert [int(message["text"]) for message in known.received] == list(range(10_000))
    assert not known.transport.is_paused


async def test_a_client_that_does_not_read_gets_no_more_pongs(known: Client) -> None:
    """A client that does not read gets its pongs once it reads again."""
    known.protocol.pause_writing()
    known.send(frame(b"", Opcode.PING) * 100)
    assert known.transport.is_paused
    assert known.transport.written == b""

    known.protocol.resume_writing()
    await run_loop(5)
    assert len(known.transport.written) == 200


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(b"x" * (LARGEST + 1))], 1009),
        ([frame(b"", fin=False), *([frame(b"", Opcode.CONT, fin=False)] * 1_001)], 1009),
        ([frame(b"\xff")], 1007),
        ([frame(b"", Opcode.CONT)], 1002),
    ],
    ids=["too large", "too many fragments", "not UTF-8", "a continuation without a message"],
)
async def test_an_invalid_message_is_closed_with_a_final_code(
    known: Client, frames: list[bytes], code: int
) -> None:
    """An invalid message, which a retry cannot correct, is closed with a final code."""
    known.may_receive.release()
    known.send(*frames)
    await run_loop(2_500)

    assert known.code == code


@pytest.mark.parametrize("binary", [False, True])
async def test_an_authenticated_client_may_send_messages_up_to_the_limit(
    known: Client, *, binary: bool
) -> None:
    """An authenticated client may send a megabyte, also in fragments."""
    known.may_receive.release()
    opcode = Opcode.BINARY if binary else Opcode.TEXT
    known.send(
        frame(b"x" * 8_192, opcode, fin=False),
        frame(b"x" * 8_192, Opcode.CONT, fin=False) * 126,
        frame(b"x" * 8_192, Opcode.CONT),
    )
    await run_loop(5_000)

    assert len(known.received[0]["bytes" if binary else "text"]) == LARGEST


async def test_incomplete_messages_are_limited_in_total(
    known: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a caller's share of the limit, a large one is refused; a small one is not."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 200_000)
    other = await Client(is_stranger=False).open()
    for client in (known, other):
        client.send(frame(b"x" * 60_000, fin=False))
        await run_loop(50)
    third = await Client(is_stranger=False).open()
    third.may_receive.release()
    third.send(frame(b"x" * 8_000))
    await run_loop(50)

    assert [known.code, other.code, third.code] == [None, 1013, None]
    assert len(third.received) == 1
    other.protocol.connection_lost(None)


@pytest.mark.parametrize(
    "beginning",
    [frame(b"x", fin=False), frame(b"x" * 100)[:50]],
    ids=["a frame is missing", "half a frame"],
)
async def test_a_message_has_a_timeout(
    known: Client, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    """A message that is incomplete after a timeout closes the connection."""
    monkeypatch.setattr(websocket, "_MESSAGE_TIMEOUT_S", 0.01)
    known.may_receive.release()
    known.send(beginning)
    await asyncio.sleep(0.05)

    assert known.code == 1013


async def test_a_complete_message_stops_its_timer(known: Client) -> None:
    """A complete message stops its timer, so that a silent client stays connected."""
    known.may_receive.release()
    whole = frame(b"x" * 100)
    known.send(whole[:50])
    timer = known.protocol._message_timer
    known.send(whole[50:])
    await run_loop(3)

    assert len(known.received) == 1
    assert timer is not None
    assert timer.cancelled()
    assert known.protocol._message_timer is None


async def test_the_clients_close_completes_ours(known: Client) -> None:
    """Messages before the client's close frame are dropped, then the connection closes."""
    await known.protocol.send({"type": "websocket.close", "code": 1000, "reason": ""})
    known.send(*([frame(b"x")] * 200), frame(b"\x03\xe8", Opcode.CLOSE))
    await run_loop(10)

    assert known.transport.is_closed
    assert known.protocol.close_timer is None


async def test_a_silent_client_is_disconnected(known: Client) -> None:
    """A client that does not even send pongs is gone, although a proxy keeps its connection."""

    def ping(times: int) -> bool:
        for _ in range(times):
            known.protocol.send_keepalive_ping()
        return not known.transport.is_closed

    assert ping(4)
    known.send(frame(b"", Opcode.PONG))
    assert ping(4)
    known.protocol._unsent = 1  # the client reads a long answer, and gets to the pings later
    assert ping(4)
    assert not ping(1)
    assert known.code is None  # no close frame: after 1011, npm's graphql-ws does not reconnect


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
    """A handshake has the limits of any request's head."""
    assert holds(await Client(is_stranger=True).open(more))
