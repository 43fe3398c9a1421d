"""Operations of one socket: how many may run, and what ends them."""

import asyncio
import json
from typing import Any

import pytest

from gateway.schema.engine import Answer, Engine
from gateway.web.websocket import connection
from tests.support import CREDENTIALS, RestSide
from tests.web.asking import Socket, connected

WATCH = "subscription { chatSessions { chatSessionId } }"


async def opened(socket: Socket) -> None:
    """Take the handshake and log in."""
    await socket.sent.get()
    socket.say({"type": "connection_init"})
    await socket.heard()


def subscribe(socket: Socket, id_: str, query: str = WATCH) -> None:
    """Begin an operation."""
    socket.say({"type": "subscribe", "id": id_, "payload": {"query": query}})


async def test_the_operations_past_the_limit_are_refused(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those and no others, however fast they come."""
    monkeypatch.setattr(connection, "_MOST_OPERATIONS", 3)
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        for number in range(5):
            subscribe(socket, str(number))
        heard = [await socket.heard() for _ in range(5)]

    kinds = {message["id"]: message["type"] for message in heard}
    assert kinds == {"0": "next", "1": "next", "2": "next", "3": "error", "4": "error"}


@pytest.mark.parametrize(
    "message",
    [{"type": "ping"}, {"type": "complete", "id": "x"}, {"type": "pong"}],
    ids=lambda message: message["type"],
)
async def test_others_have_a_turn_after_each_message(rest: RestSide, message: Any) -> None:
    """However many of them the system hands over at once."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        for _ in range(100):
            socket.say(message)
        socket.say({"type": "unknown"})
        counting = asyncio.create_task(count())
        await socket.until("websocket.close")
        counting.cancel()

    assert turns >= 100


async def test_an_operation_that_is_given_up_does_not_end_the_next_one_of_its_id(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if giving it up fails."""
    stream = Engine.stream
    is_first = True

    async def failing(self: Engine, *args: Any) -> Any:
        nonlocal is_first
        was_first, is_first = is_first, False
        try:
            async for answer in stream(self, *args):
                yield answer
        finally:
            if was_first:
                await asyncio.sleep(0)
                raise LookupError

    monkeypatch.setattr(Engine, "stream", failing)
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        subscribe(socket, "1")
        assert (await socket.heard())["type"] == "next"
        socket.say({"type": "complete", "id": "1"})
        subscribe(socket, "1")
        assert (await socket.heard())["type"] == "next"
        socket.say({"type": "ping"})
        assert (await socket.heard())["type"] == "pong"
        assert socket.sent.empty()


async def test_a_bug_ends_its_operation_with_a_masked_error(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stays."""

    async def broken(self: Engine, *args: Any) -> Any:
        yield Answer({"data": {}})
        raise LookupError("secret")

    monkeypatch.setattr(Engine, "stream", broken)
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        subscribe(socket, "1")
        heard = [await socket.heard() for _ in range(2)]

    assert [message["type"] for message in heard] == ["next", "error"]
    assert heard[1]["payload"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in json.dumps(heard)


async def test_a_pong_is_taken_without_an_answer(rest: RestSide) -> None:
    """Clients may send one unasked, as a sign of life."""
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        socket.say({"type": "pong"})
        socket.say({"type": "ping"})
        assert await socket.heard() == {"type": "pong"}
