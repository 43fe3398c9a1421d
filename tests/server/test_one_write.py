"""Answers of one piece are sent in one write, and all answers as uvicorn sends them."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.server import one_write
from gateway.server.protocol import GatewayProtocol
from tests.server.transport import Transport

Messages = list[dict[str, Any]]


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    """Return the first message of an answer."""
    return {"type": "http.response.start", "status": status, "headers": [*headers]}


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return a message with a part of the body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


LENGTH = (b"content-length", b"2")
WHOLE = [start((b"vary", b"a"), (b"vary", b"b"), LENGTH), piece(b"{}")]
STREAM = [start(), piece(b"1", more=True), piece(b"2", more=True), piece(b"")]

ANSWERS: dict[str, Messages] = {
    "whole": WHOLE,
    "empty": [start((b"content-length", b"0")), {"type": "http.response.body"}],
    "no content": [start(status=204), piece(b"")],
    "in two pieces": [start(LENGTH), piece(b"{", more=True), piece(b"}")],
    "with an end of its own": [start(LENGTH), piece(b"{}", more=True), piece(b"")],
    "a stream": STREAM,
    "that closes": [start(LENGTH, (b"connection", b"close")), piece(b"{}")],
    "too short": [start(LENGTH), piece(b"{")],
    "too long": [start(LENGTH), piece(b"{}}")],
    "without a body": [start(LENGTH)],
    "with a line break in a header": [start(LENGTH, (b"x", b"a\r\nb: c")), piece(b"{}")],
}
VALID = {name: messages for name, messages in ANSWERS.items() if "line break" not in name}
REQUESTS = {
    "GET": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD": b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
    "the last HEAD": b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "the last one": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "pipelined": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
}
UNFINISHED = b"%b / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"


class Writes(Transport):
    """Records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))


async def answered(
    protocol: type[HttpToolsProtocol], request: bytes, answer: Messages, rest: bytes = b""
) -> Writes:
    """Send a request to an application with this answer, then the rest; return what was written."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in answer:
            await send({**message})

    config = uvicorn.Config(app, log_config=None, interface="asgi3", proxy_headers=False)
    config.load()
    connection = protocol(config, ServerState(), {}, asyncio.get_running_loop())
    transport = Writes()
    transport.protocol = connection
    connection.connection_made(transport)
    for piece in (request, rest):
        connection.data_received(piece)
        for _ in range(10):
            await asyncio.sleep(0)
    is_closed = transport.is_closed
    connection.connection_lost(None)
    transport.is_closed = is_closed
    return transport


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_the_bytes_are_those_of_uvicorn(answer: Messages, request_: bytes) -> None:
    """Every answer, and the end of its connection, is as uvicorn sends it."""
    expected = await answered(HttpToolsProtocol, request_, answer)
    transport = await answered(GatewayProtocol, request_, answer)

    assert b"".join(transport.sent) == b"".join(expected.sent)
    assert transport.is_closed == expected.is_closed


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT"])
@pytest.mark.parametrize("answer", VALID.values(), ids=VALID)
async def test_an_answer_before_the_end_of_the_body_is_the_last(
    answer: Messages, method: bytes
) -> None:
    """A proxy that drops the rest would have its next request read as the rest: RFC 9112, 9.3."""
    transport = await answered(GatewayProtocol, UNFINISHED % method, answer)

    assert b"".join(transport.sent).count(b"connection: close\r\n") == 1


@pytest.mark.parametrize(
    "unfinished",
    [
        UNFINISHED % b"POST",
        (UNFINISHED % b"POST").replace(b"Host: x", b"Host: x\r\nConnection: close"),
        (UNFINISHED % b"POST").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["kept open", "the last one", "HTTP/1.0"],
)
async def test_a_client_that_still_sends_its_body_can_read_the_answer(unfinished: bytes) -> None:
    """The gateway does not close first: data that nobody reads would reset the connection."""
    assert not (await answered(GatewayProtocol, unfinished, WHOLE, rest=b"cd")).is_closed
    transport = await answered(GatewayProtocol, unfinished, WHOLE, rest=b"cde" + REQUESTS["GET"])
    assert transport.is_closed
    assert b"".join(transport.sent).count(b"HTTP/1.1") == 1
    assert b"".join(transport.sent).count(b"connection: close\r\n") == 1


@pytest.mark.parametrize(("rest_s", "draining_s", "is_draining"), [(0, 9, False), (9, 0, True)])
async def test_a_connection_is_not_open_for_long_after_an_early_answer(
    rest_s: int, draining_s: int, is_draining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends no more holds no connection, and does not delay the gateway's stop."""
    kept = property(lambda _: is_draining, lambda *_: None)
    monkeypatch.setattr(GatewayProtocol, "is_draining", kept)
    monkeypatch.setattr(one_write, "_REST_S", rest_s)
    monkeypatch.setattr(one_write, "_REST_DRAINING_S", draining_s)

    assert (await answered(GatewayProtocol, UNFINISHED % b"POST", WHOLE)).is_closed


@pytest.mark.parametrize("value", [b"close", b"x, Close"])
async def test_a_trailer_that_closes_makes_the_answer_the_last(value: bytes) -> None:
    """The parser ignores all data after it: a proxy must not send its next request there."""
    chunks = b"1\r\na\r\n0\r\nConnection: %b\r\n\r\n" % value
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    transport = await answered(GatewayProtocol, head + chunks, WHOLE)

    assert b"".join(transport.sent).count(b"connection: close\r\n") == 1
    assert transport.is_closed


async def test_a_whole_answer_is_one_write() -> None:
    """Head and body are one write, also for the second request of a connection."""
    assert len((await answered(GatewayProtocol, REQUESTS["GET"], WHOLE)).sent) == 1
    assert len((await answered(GatewayProtocol, REQUESTS["pipelined"], WHOLE)).sent) == 2


async def test_the_head_of_a_stream_is_sent_at_once() -> None:
    """The head of a stream is sent before its first event, which may be minutes later."""
    transport = await answered(GatewayProtocol, REQUESTS["GET"], STREAM[:1])

    assert transport.sent[0].endswith(b"\r\n\r\n")
