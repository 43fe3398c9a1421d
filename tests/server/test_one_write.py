"""Answers leave in one write, whatever uvicorn makes of them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.server.protocol import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that remembers what was sent in one go."""

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
    """Return the transport below."""
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> Any:
    """Return what uvicorn writes to."""
    return OneWrite(wire, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_a_head_and_its_body_are_one_write(wire: Wire, transport: Any) -> None:
    """Bodies that follow are writes of their own."""
    for data in (HEAD, b"{}", b"more"):
        transport.write(data)
    await asyncio.sleep(0)

    assert wire.sent == [HEAD + b"{}", b"more"]


async def test_the_head_of_a_stream_waits_for_nothing(wire: Wire, transport: Any) -> None:
    """Its first event may come minutes later."""
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]

    transport.write(b"event")
    assert wire.sent == [HEAD, b"event"]


async def test_a_cached_answer_is_written_at_once(wire: Wire, transport: Any) -> None:
    """It is whole already."""
    transport.write(HEAD + b"{}")

    assert wire.sent == [HEAD + b"{}"]


async def test_closing_sends_the_head_first(wire: Wire, transport: Any) -> None:
    """An answer to HEAD has no body."""
    transport.write(HEAD)
    transport.close()

    assert wire.sent == [HEAD]
    assert wire.is_closed
