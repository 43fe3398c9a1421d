"""Head and body of an answer are sent in one write."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.server.protocol import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that records each write."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def wire() -> Wire:
    """Return the recording transport."""
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> Any:
    """Return the transport that uvicorn writes to."""
    return OneWrite(wire, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_a_head_and_its_body_are_one_write(wire: Wire, transport: Any) -> None:
    """A head and its first body are one write; further bodies are written separately."""
    for data in (HEAD, b"{}", b"more"):
        transport.write(data)
    await asyncio.sleep(0)

    assert wire.sent == [HEAD + b"{}", b"more"]


async def test_the_head_of_a_stream_is_sent_at_once(wire: Wire, transport: Any) -> None:
    """The head of a stream is sent before its first event, which may be minutes later."""
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]

    transport.write(b"event")
    assert wire.sent == [HEAD, b"event"]


async def test_a_cached_answer_is_written_at_once(wire: Wire, transport: Any) -> None:
    """A cached answer is complete, so it is written at once."""
    transport.write(HEAD + b"{}")

    assert wire.sent == [HEAD + b"{}"]


async def test_closing_sends_the_head_first(wire: Wire, transport: Any) -> None:
    """A head without a body, as for HEAD, is sent before the connection closes."""
    transport.write(HEAD)
    transport.close()

    assert wire.sent == [HEAD]
    assert wire.is_closed
