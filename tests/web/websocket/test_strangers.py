"""WebSockets of unauthenticated clients, whose credentials SuperOffice has not accepted yet."""

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.caller import headers_from_payload
from gateway.web.read.accept import EVENT_STREAM
from gateway.web.websocket import login
from tests.support import CREDENTIALS, RestSide, gateway_over
from tests.waiting import until
from tests.web.asking import Socket, connected, connected_to

QUERY = {"query": "{ chatSessions { chatSessionId } }"}


async def close_code(socket: Socket) -> int:
    """Wait until the gateway closes the socket, and return the code."""
    return int((await socket.until("websocket.close"))["code"])


def strangers(app: Starlette) -> int:
    """Return the number of unauthenticated sockets."""
    return len(app.state.graphql.sockets.strangers)


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time in which SuperOffice has to accept the credentials."""
    monkeypatch.setattr(login, "_STRANGER_S", 0.5)


async def hang(request: httpx.Request) -> httpx.Response:
    """Never answer."""
    await asyncio.sleep(60)
    raise AssertionError  # pragma: no cover


async def test_no_stream_with_credentials_is_closed_for_sockets_without() -> None:
    """As a socket, it needs a place until SuperOffice has answered."""
    closed = list[int]()
    headers = {**CREDENTIALS, "Accept": EVENT_STREAM}
    query = f"subscription {QUERY['query']}"
    async with gateway_over(RestSide(answer=hang), max_sockets=20) as gateway:
        stream = asyncio.create_task(gateway.post(query, headers=headers))
        await until(lambda: strangers(gateway.app) == 1)
        with ExitStack() as stack:
            for number in range(3):
                evict = partial(closed.append, number)
                stack.enter_context(gateway.app.state.graphql.sockets.count(evict, "another"))
        stream.cancel()

    assert closed == [0, 1]


async def test_no_socket_with_credentials_is_closed_for_those_without() -> None:
    """While SuperOffice checks them, one that has sent none makes room."""
    may_answer = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        await may_answer.wait()
        return httpx.Response(200, json=[])

    async with (
        gateway_over(rest := RestSide(answer=answer), max_sockets=20) as gateway,
        connected_to(gateway.app, CREDENTIALS) as client,
        connected_to(gateway.app) as other,
    ):
        client.send_json({"type": "connection_init"})
        await until(lambda: rest.calls == 1)
        async with connected_to(gateway.app):
            assert await close_code(other) == 1013
        may_answer.set()
        await client.until("connection_ack")


UNACCEPTED: dict[str, tuple[Any, dict[str, str], int]] = {
    "401": (401, CREDENTIALS, 4403),
    "403": (403, CREDENTIALS, 4403),
    "no credentials": (200, {}, 4403),
    "500": (500, CREDENTIALS, 1013),
    "no answer": (hang, CREDENTIALS, 1013),
}


async def test_a_payload_is_not_held_while_superoffice_is_asked(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the headers in it are read, and anybody can send a large one."""
    payloads, held = list[Any](), list[Any]()

    def read(payload: Any, **more: Any) -> Any:
        payloads.append(payload)
        return headers_from_payload(payload, **more)

    def answer(_: httpx.Request) -> httpx.Response:
        held.extend(map(dict, payloads))
        return httpx.Response(200, json=[])

    monkeypatch.setattr(login, "headers_from_payload", read)
    rest.answer = answer
    async with connected(rest, {}) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init", "payload": {**CREDENTIALS, "x": [[]]}})
        await socket.until("connection_ack")

    assert held == [{}]


@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize(("answer", "headers", "code"), UNACCEPTED.values(), ids=UNACCEPTED)
async def test_an_unauthenticated_socket_is_closed(
    rest: RestSide, answer: Any, headers: dict[str, str], code: int
) -> None:
    """An unauthenticated socket is closed with a code after which clients reconnect."""
    rest.answer = answer if callable(answer) else lambda _: httpx.Response(answer, json=[])
    async with connected(rest, headers) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init"})
        assert await close_code(socket) == code


async def test_a_socket_is_authenticated_at_its_login(rest: RestSide) -> None:
    """The login authenticates a socket, with one REST call for all sockets of a caller."""
    async with (
        gateway_over(rest) as gateway,
        connected_to(gateway.app, CREDENTIALS) as socket,
        connected_to(gateway.app, CREDENTIALS) as other,
    ):
        for one in (socket, other):
            await one.log_in()
        assert strangers(gateway.app) == 0

    assert rest.calls == 1


async def test_a_later_answer_authenticates_a_socket(rest: RestSide) -> None:
    """After an outage at the login, the first successful answer authenticates a socket."""
    rest.answer = lambda _: httpx.Response(500)
    async with gateway_over(rest) as gateway, connected_to(gateway.app, CREDENTIALS) as socket:
        await socket.log_in()
        assert strangers(gateway.app) == 1
        rest.answer = None
        socket.send_json({"type": "subscribe", "id": "1", "payload": QUERY})
        assert (await socket.next_message())["payload"]["data"]["chatSessions"]
        assert strangers(gateway.app) == 0


async def test_a_subscription_that_authenticates_a_socket_keeps_it_open(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs when the time of an idle socket would begin."""
    monkeypatch.setattr(login, "_IDLE_S", 0)
    rest.answer = lambda _: httpx.Response(500)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        rest.answer = None
        query = f"subscription {QUERY['query']}"
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        await socket.until("next")
        for _ in range(3):
            socket.send_json({"type": "ping"})
            assert await socket.next_message() == {"type": "pong"}


async def test_an_operation_with_rejected_credentials_gets_an_error(rest: RestSide) -> None:
    """An operation with rejected credentials gets the error that it gets over HTTP."""
    rest.answer = lambda _: httpx.Response(401)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        socket.send_json({"type": "subscribe", "id": "1", "payload": QUERY})
        [error] = (await socket.next_message())["payload"]["errors"]

    assert error["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.usefixtures("short_timeout")
async def test_a_socket_whose_credentials_have_expired_is_closed(rest: RestSide) -> None:
    """Its credentials never change, so its client has to connect again, with new ones."""
    async with connected(rest, CREDENTIALS, cache_ttl=0) as socket:
        await socket.log_in()
        rest.answer = lambda _: httpx.Response(401)
        socket.send_json({"type": "subscribe", "id": "1", "payload": QUERY})
        [error] = (await socket.until("next"))["payload"]["errors"]
        assert await close_code(socket) == 4403

    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_invalid_operation_ends_no_login(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stays open, as its credentials are still accepted."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        monkeypatch.setattr(login, "_STRANGER_S", 0)
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "{ nope }"}})
        await socket.until("error")
        for _ in range(3):
            socket.send_json({"type": "ping"})
            assert await socket.next_message() == {"type": "pong"}


async def test_rejected_operations_do_not_keep_an_unauthenticated_socket_open(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time ends, however often it tries."""
    monkeypatch.setattr(login, "_STRANGER_S", 0.1)
    rest.answer = lambda _: httpx.Response(401)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        monkeypatch.setattr(login, "_STRANGER_S", 3_600)
        socket.send_json({"type": "subscribe", "id": "1", "payload": QUERY})
        async with asyncio.timeout(5):
            assert await close_code(socket) == 4403


async def test_a_socket_is_idle_after_its_last_operation(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed as one without any."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        monkeypatch.setattr(login, "_IDLE_S", 0)
        socket.send_json({"type": "subscribe", "id": "1", "payload": QUERY})
        async with asyncio.timeout(5):
            assert await close_code(socket) == 1001


async def test_a_client_can_end_its_subscription(rest: RestSide) -> None:
    """Nothing is polled for it then."""
    async with gateway_over(rest) as gateway, connected_to(gateway.app, CREDENTIALS) as socket:
        await socket.log_in()
        query = f"subscription {QUERY['query']}"
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        await socket.until("next")
        watchers = gateway.app.state.graphql.watchers_of.all()
        assert [one.subscribers for one in watchers] == [1]
        socket.send_json({"type": "complete", "id": "1"})
        await until(lambda: [one.subscribers for one in watchers] == [0])


async def test_sockets_without_credentials_are_nobodys(rest: RestSide) -> None:
    """The limit is for the sockets of one user; all of these would be of the same one."""
    async with (
        gateway_over(rest, max_sockets_per_caller=1) as gateway,
        connected_to(gateway.app, {}) as socket,
        connected_to(gateway.app, {}) as other,
    ):
        for one in (socket, other):
            await one.log_in()
        assert strangers(gateway.app) == 2


async def test_an_unauthenticated_socket_makes_room_for_a_client(rest: RestSide) -> None:
    """An unauthenticated socket is closed at once if a client with credentials needs its place."""
    async with gateway_over(rest, max_sockets=10) as gateway, connected_to(gateway.app) as stranger:
        assert (await stranger.sent.get())["type"] == "websocket.accept"
        async with connected_to(gateway.app, CREDENTIALS) as client:
            await client.log_in()
            assert await close_code(stranger) == 1013
            client.send_json({"type": "ping"})
            assert await client.next_message() == {"type": "pong"}
