"""Operations on one WebSocket: how many may run, and how they end."""

import asyncio
import gc
import hashlib
import json
import weakref
from typing import Any

import httpx
import pytest

from gateway.live.shared_streams import _Stream
from gateway.live.watcher import Watcher
from gateway.schema.engine import Answer, Engine
from gateway.sessions import source
from gateway.web.websocket import connection, login
from tests.support import CREDENTIALS, Gateway, RestSide
from tests.waiting import counted_turns
from tests.web.asking import Socket, connected, connected_to

WATCH = "subscription { chatSessions { chatSessionId } }"


def subscribe(socket: Socket, id_: str, query: str = WATCH) -> None:
    """Start an operation."""
    socket.send_json({"type": "subscribe", "id": id_, "payload": {"query": query}})


async def test_the_operations_past_the_limit_are_refused(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operations past the limit get an error, however fast they arrive."""
    monkeypatch.setattr(connection, "_MOST_OPERATIONS", 3)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        for number in range(5):
            subscribe(socket, str(number))
        messages = [await socket.next_message() for _ in range(5)]

    kinds = {message["id"]: message["type"] for message in messages}
    assert kinds == {"0": "next", "1": "next", "2": "next", "3": "error", "4": "error"}


@pytest.mark.parametrize(
    "message",
    [{"type": "ping"}, {"type": "complete", "id": "x"}, {"type": "pong"}],
    ids=lambda message: message["type"],
)
async def test_other_tasks_run_after_each_message(rest: RestSide, message: Any) -> None:
    """Other tasks run after each message, also if many messages arrive at once."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        for _ in range(100):
            socket.send_json(message)
        socket.send_json({"type": "unknown"})
        with counted_turns() as turns:
            await socket.until("websocket.close")

    assert turns() >= 100


async def test_a_cancelled_operation_does_not_end_the_next_one_with_its_id(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new operation with the id of a cancelled one runs, even if the cancellation fails."""
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
        await socket.log_in()
        subscribe(socket, "1")
        assert (await socket.next_message())["type"] == "next"
        socket.send_json({"type": "complete", "id": "1"})
        subscribe(socket, "1")
        assert (await socket.next_message())["type"] == "next"
        socket.send_json({"type": "ping"})
        assert (await socket.next_message())["type"] == "pong"
        assert socket.sent.empty()


async def test_a_bug_ends_its_operation_with_a_masked_error(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug ends its operation with a masked error, and the socket stays open."""

    async def broken(self: Engine, *args: Any) -> Any:
        yield Answer({"data": {}})
        raise LookupError("secret")

    monkeypatch.setattr(Engine, "stream", broken)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        subscribe(socket, "1")
        messages = [await socket.next_message() for _ in range(2)]

    assert [message["type"] for message in messages] == ["next", "error"]
    assert messages[1]["payload"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in json.dumps(messages)


async def test_a_pong_gets_no_answer(rest: RestSide) -> None:
    """An unsolicited pong, a client's keep-alive, gets no answer."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        socket.send_json({"type": "pong"})
        socket.send_json({"type": "ping"})
        assert await socket.next_message() == {"type": "pong"}


async def test_no_cache_of_a_handshake_does_not_hold_for_the_operations(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers send `no-cache` with every handshake; operations are answered from the cache."""
    monkeypatch.setattr(source, "_SHORTEST_AGE_S", 0)
    query = "{ chatSessions { chatSessionId } }"
    async with connected(rest, {**CREDENTIALS, "Cache-Control": "no-cache"}) as socket:
        await socket.log_in()
        for id_ in "ab":
            subscribe(socket, id_, query)
            await socket.until("complete")

    assert rest.calls == 1


async def test_a_passing_401_of_one_operation_leaves_the_others(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 closes the socket only when no other operation runs on it."""
    monkeypatch.setattr(login, "_STRANGER_S", 0.05)
    async with connected(rest, CREDENTIALS, cache_ttl=0) as socket:
        await socket.log_in()
        subscribe(socket, "watch")
        await socket.until("next")
        rest.answer = lambda _: httpx.Response(401)
        subscribe(socket, "query", "{ chatSessions { chatSessionId } }")
        assert (await socket.until("next", "error"))["id"] == "query"
        await asyncio.sleep(0.1)
        socket.send_json({"type": "ping"})

        assert (await socket.until("pong", "websocket.close"))["type"] == "pong"


async def test_a_closed_socket_is_freed_at_once(gateway: Gateway) -> None:
    """The garbage collector may come minutes later, and subscriptions can be large."""
    gc.collect()
    gc.disable()
    try:
        async with connected_to(gateway.app, CREDENTIALS) as socket:
            await socket.log_in()
            for id_ in ("1", "2"):
                subscribe(socket, id_)
                await socket.next_message()
        await asyncio.sleep(0.01)
        kinds = (connection.Connection, _Stream, Watcher)
        assert [one for one in gc.get_objects() if isinstance(one, kinds)] == []
    finally:
        gc.enable()


async def test_the_longest_id_is_accepted(rest: RestSide) -> None:
    """Ids are held as long as their operations run."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        subscribe(socket, "1" * 1_000)
        assert (await socket.next_message())["type"] == "next"


async def test_a_running_operation_does_not_hold_its_message(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text in it is a copy of the cached one, and there may be thousands."""
    payloads: list[weakref.ref[Any]] = []

    class Text(str):
        """A text that can be referred to weakly."""

    def needed(payload: Any) -> Any:
        text = Text(payload["query"])
        payloads.append(weakref.ref(text))
        return {**payload, "query": text}

    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        subscribe(socket, "1")
        await socket.next_message()
        monkeypatch.setattr(connection, "needed", needed)
        sha256 = hashlib.sha256(WATCH.encode()).hexdigest()
        persisted = {"persistedQuery": {"version": 1, "sha256Hash": sha256}}
        payload = {"query": WATCH, "extensions": persisted}
        socket.send_json({"type": "subscribe", "id": "2", "payload": payload})
        await socket.next_message()

        assert [payload() for payload in payloads] == [None]
