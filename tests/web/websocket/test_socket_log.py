"""What is told of the operations on a WebSocket."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.observe.logged import Log, logged
from tests.support import CREDENTIALS, RestSide
from tests.web.asking import Socket, connected

QUERY = "query Queue { chatSessions { chatSessionId } }"


@pytest.fixture
def log() -> Iterator[Log]:
    """Return the log of a process in JSON."""
    with logged() as log:
        yield log


async def ask(socket: Socket, number: int, query: str) -> None:
    """Ask for one operation and wait for all of its answer."""
    payload = {"query": query, "operationName": None}
    socket.say({"type": "subscribe", "id": f"{number}", "payload": payload})
    await socket.until("complete", "error")


def told(log: Log) -> list[dict[str, Any]]:
    """Return what is told of operations, but for times."""
    kept = ("operation", "outcome", "cache")
    events = [event for event in log.events if event["event"] == "operation"]
    return [{name: event[name] for name in kept if name in event} for event in events]


async def opened(socket: Socket) -> None:
    """Begin the protocol."""
    await socket.sent.get()
    socket.say({"type": "connection_init"})
    assert (await socket.heard())["type"] == "connection_ack"


async def test_each_operation_on_a_socket_has_a_line(rest: RestSide, log: Log) -> None:
    """With its name, what came of it, how its snapshot was come by, and who asked."""
    async with connected(rest, {**CREDENTIALS, "X-Request-ID": "mine"}, cache_ttl=0) as socket:
        await opened(socket)
        for number, query in enumerate([QUERY, QUERY, "query Queue { nope }", "{ __typename }"]):
            await ask(socket, number, query)

    assert told(log) == [
        {"operation": "Queue", "outcome": "ok", "cache": "miss"},
        {"operation": "Queue", "outcome": "ok", "cache": "miss"},
        {"operation": "Queue", "outcome": "GRAPHQL_VALIDATION_FAILED"},
        {"operation": "", "outcome": "ok"},
    ]
    first, second = [event for event in log.events if event["event"] == "operation"][:2]
    assert first["request_id"] == "mine"
    assert first["upstream_ms"] >= 0
    assert second["upstream_ms"] >= 0
    assert first["duration_ms"] >= 0
    assert first["caller"] == second["caller"]
    assert len(first["caller"]) == 12


async def test_an_operation_beyond_the_limit_of_a_socket_is_told(
    rest: RestSide, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that somebody wonders why."""
    monkeypatch.setattr("gateway.web.websocket.connection._MOST_OPERATIONS", 0)
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        await ask(socket, 1, QUERY)

    assert told(log) == [{"operation": "", "outcome": "RATE_LIMITED"}]


async def test_an_operation_that_is_given_up_is_not_told(rest: RestSide, log: Log) -> None:
    """It has no outcome; nor is anything kept of it."""
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        payload = {"query": f"{QUERY} # a new text, which takes some turns to prepare"}
        socket.say({"type": "subscribe", "id": "1", "payload": payload})
        socket.say({"type": "complete", "id": "1"})
        await ask(socket, 2, "{ __typename }")

    assert [event["operation"] for event in told(log)] == [""]


async def test_a_subscription_is_told_of_when_it_is_answered_first(
    rest: RestSide, log: Log
) -> None:
    """It may last for hours; that it came from REST makes its name one to tell."""
    async with connected(rest, CREDENTIALS) as socket:
        await opened(socket)
        query = "subscription Live { chatSessions { chatSessionId } }"
        socket.say({"type": "subscribe", "id": "1", "payload": {"query": query}})
        assert (await socket.heard())["type"] == "next"

    assert told(log) == [{"operation": "Live", "outcome": "ok"}]
