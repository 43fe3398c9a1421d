"""Log lines of operations on a WebSocket."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.observe.logged import Log, logged
from tests.support import CREDENTIALS, RestSide
from tests.web.asking import Socket, connected

QUERY = "query Queue { chatSessions { chatSessionId } }"


@pytest.fixture
def log() -> Iterator[Log]:
    """Return the JSON log of the process."""
    with logged() as log:
        yield log


async def ask(socket: Socket, number: int, query: str) -> None:
    """Run one operation and wait for its end."""
    payload = {"query": query, "operationName": None}
    socket.send_json({"type": "subscribe", "id": f"{number}", "payload": payload})
    await socket.until("complete", "error")


def operation_lines(log: Log) -> list[dict[str, Any]]:
    """Return the logged operations without their times."""
    names = ("operation", "outcome", "cache")
    events = [event for event in log.events if event["event"] == "operation"]
    return [{name: event[name] for name in names if name in event} for event in events]


async def test_each_operation_on_a_socket_has_a_line(rest: RestSide, log: Log) -> None:
    """Each operation is logged with its name, outcome, cache status and caller."""
    async with connected(rest, {**CREDENTIALS, "X-Request-ID": "mine"}, cache_ttl=0) as socket:
        await socket.log_in()
        for number, query in enumerate([QUERY, QUERY, "query Queue { nope }", "{ __typename }"]):
            await ask(socket, number, query)

    assert operation_lines(log) == [
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


async def test_an_operation_past_the_limit_is_logged(
    rest: RestSide, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation past the limit of a socket is logged."""
    monkeypatch.setattr("gateway.web.websocket.connection._MOST_OPERATIONS", 0)
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        await ask(socket, 1, QUERY)

    assert operation_lines(log) == [{"operation": "", "outcome": "RATE_LIMITED"}]


async def test_a_cancelled_operation_is_not_logged(rest: RestSide, log: Log) -> None:
    """An operation that is cancelled before its answer is not logged."""
    async with connected(rest, CREDENTIALS) as socket:
        await socket.log_in()
        payload = {"query": f"{QUERY} # a new text, which takes some turns to prepare"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        socket.send_json({"type": "complete", "id": "1"})
        await ask(socket, 2, "{ __typename }")

    assert [event["operation"] for event in operation_lines(log)] == [""]


async def test_a_subscription_is_logged_with_its_first_answer(rest: RestSide, log: Log) -> None:
    """A subscription, which may last for hours, is logged with its first answer."""
    async with connected(rest, CREDENTIALS, live_interval=0.01, cache_ttl=0) as socket:
        await socket.log_in()
        query = "subscription Live { chatSessions { chatSessionId } }"
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        assert (await socket.next_message())["type"] == "next"
        rest.body = []
        assert (await socket.next_message())["type"] == "next"

    assert operation_lines(log) == [{"operation": "Live", "outcome": "ok"}]
