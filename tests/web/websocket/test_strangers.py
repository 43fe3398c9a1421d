"""Sockets whose credentials SuperOffice has not accepted: how long they may stay, and why."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway import Settings, create_app
from gateway.web.websocket import connection
from tests.support import CREDENTIALS, UPSTREAM_URL, RestSide
from tests.web.asking import Socket, connected, connected_to

QUERY = {"query": "{ chatSessions { chatSessionId } }"}


async def log_in(socket: Socket) -> None:
    """Take the handshake and log in."""
    assert (await socket.sent.get())["type"] == "websocket.accept"
    socket.say({"type": "connection_init"})
    assert await socket.heard() == {"type": "connection_ack"}


async def closing(socket: Socket) -> int:
    """Wait until the gateway closes, and return the code."""
    return int((await socket.until("websocket.close"))["code"])


def strangers(app: Starlette) -> int:
    """Return how many sockets are not accepted."""
    sockets = app.state.graphql.sockets
    return len(sockets.strangers) + len(sockets.claimants)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give strangers a moment in which SuperOffice can answer."""
    monkeypatch.setattr(connection, "_STRANGER_S", 0.5)


async def hang(request: httpx.Request) -> httpx.Response:
    """Never answer."""
    await asyncio.sleep(60)
    raise AssertionError  # pragma: no cover


UNACCEPTED: dict[str, tuple[Any, dict[str, str], int]] = {
    "401": (401, CREDENTIALS, 4403),
    "403": (403, CREDENTIALS, 4403),
    "no credentials": (200, {}, 4403),
    "500": (500, CREDENTIALS, 1013),
    "no answer": (hang, CREDENTIALS, 1013),
}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("answer", "headers", "code"), UNACCEPTED.values(), ids=UNACCEPTED)
async def test_a_socket_that_is_not_accepted_is_closed(
    rest: RestSide, answer: Any, headers: dict[str, str], code: int
) -> None:
    """With a code that clients retry; after 4403 they read their credentials again."""
    rest.answer = answer if callable(answer) else lambda _: httpx.Response(answer, json=[])
    async with connected(rest, headers) as socket:
        await socket.sent.get()
        socket.say({"type": "connection_init"})
        assert await closing(socket) == code


async def test_a_socket_is_accepted_by_its_login(rest: RestSide) -> None:
    """Clients that connect eagerly keep idle sockets; it costs one REST call for all of them."""
    app = create_app(Settings(upstream_url=UPSTREAM_URL), upstream_transport=_mock(rest))
    async with (
        app.router.lifespan_context(app),
        connected_to(app, CREDENTIALS) as socket,
        connected_to(app, CREDENTIALS) as other,
    ):
        for one in (socket, other):
            await log_in(one)
        assert strangers(app) == 0

    assert rest.calls == 1


async def test_a_good_answer_later_is_enough(rest: RestSide) -> None:
    """SuperOffice was out of service at the login."""
    rest.answer = lambda _: httpx.Response(500)
    app = create_app(Settings(upstream_url=UPSTREAM_URL), upstream_transport=_mock(rest))
    async with app.router.lifespan_context(app), connected_to(app, CREDENTIALS) as socket:
        await log_in(socket)
        assert strangers(app) == 1
        rest.answer = None
        socket.say({"type": "subscribe", "id": "1", "payload": QUERY})
        assert (await socket.heard())["payload"]["data"]["chatSessions"]
        assert strangers(app) == 0


async def test_an_operation_of_a_rejected_client_is_told_why(rest: RestSide) -> None:
    """As over HTTP, while the socket is there."""
    rest.answer = lambda _: httpx.Response(401)
    async with connected(rest, CREDENTIALS) as socket:
        await log_in(socket)
        socket.say({"type": "subscribe", "id": "1", "payload": QUERY})
        [error] = (await socket.heard())["payload"]["errors"]

    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_beside_many_strangers_an_honest_client_gets_in(rest: RestSide) -> None:
    """The oldest of them is told to come back later, and does not wait for its ten seconds."""
    app = create_app(
        Settings(upstream_url=UPSTREAM_URL, max_sockets=10), upstream_transport=_mock(rest)
    )
    async with (
        app.router.lifespan_context(app),
        connected_to(app) as stranger,
    ):
        assert (await stranger.sent.get())["type"] == "websocket.accept"
        async with connected_to(app, CREDENTIALS) as honest:
            await log_in(honest)
            assert await closing(stranger) == 1013
            honest.say({"type": "ping"})
            assert await honest.heard() == {"type": "pong"}


def _mock(rest: RestSide) -> httpx.MockTransport:
    return httpx.MockTransport(rest)
