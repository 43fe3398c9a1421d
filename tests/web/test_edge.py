"""Timeouts, bugs and errors of a query, as the client sees them."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from gateway.web.read.request import Reader
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import GRAPHQL_JSON, TYPENAME, Json, connected, first_error, get, post_json

QUERY = "{ chatSessions { chatSessionId } }"
SEVERAL = "query A { a: __typename } query B { b: __typename }"


async def never_answers(request: httpx.Request) -> httpx.Response:
    """Play a REST API that never answers."""
    future: asyncio.Future[httpx.Response] = asyncio.Future()
    return await future


async def test_a_request_that_takes_too_long_gets_504(rest: RestSide) -> None:
    """Past the request timeout the answer is a 504 that names the limit."""
    rest.answer = never_answers
    async with gateway_over(rest, request_timeout=0.02) as gateway:
        answer = await gateway.post(QUERY)

    assert answer.status_code == 504
    assert first_error(answer) == (
        "UPSTREAM_TIMEOUT",
        "The request took longer than 0.02 seconds.",
    )
    assert answer.headers["cache-control"] == "no-store"


async def test_a_request_within_the_timeout_is_answered(rest: RestSide) -> None:
    """A query that needs no REST call is answered within the request timeout."""
    async with gateway_over(rest, request_timeout=30) as gateway:
        assert (await gateway.post("{ __typename }")).json() == TYPENAME


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_JSON])
async def test_a_bug_before_the_query_is_masked(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    """The client gets an error id and no details; the log has the id and the traceback."""

    async def fail(*args: Any) -> Any:
        raise ZeroDivisionError("s3cret")

    monkeypatch.setattr(Reader, "request", fail)

    with caplog.at_level(logging.ERROR):
        answer = await gateway.post("{ __typename }", headers={"Accept": accept})

    (error,) = answer.json()["errors"]
    assert answer.status_code == 500
    assert answer.headers["content-type"] == accept
    assert error["message"] == "Internal error: the gateway's log has its errorId."
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "s3cret" not in answer.text
    (record,) = [r for r in caplog.records if r.name.startswith("gateway")]
    assert error["extensions"]["errorId"] in record.getMessage()
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("{", 400, "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", 400, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: Int!) { chatSessions(limit: $n) { id } }", 400, "BAD_USER_INPUT"),
        ("{ chatSessions(limit: -1) { id } }", 400, "BAD_USER_INPUT"),
        ("{ " + "__typename " * 21 + "}", 400, "QUERY_TOO_COMPLEX"),
        ("mutation { change }", 400, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { change }", 400, "GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_a_query_error_has_a_4xx_status_with_graphql_response_json(
    gateway: Gateway, query: str, status: int, code: str
) -> None:
    """An invalid query gets a 4xx as graphql-response+json, and a 200 as application/json."""
    graphql_json = await gateway.post(query, headers={**CREDENTIALS, "Accept": GRAPHQL_JSON})
    plain_json = await gateway.post(query)

    assert (graphql_json.status_code, first_error(graphql_json)[0]) == (status, code)
    assert (plain_json.status_code, plain_json.json()["errors"]) == (
        200,
        graphql_json.json()["errors"],
    )


async def test_get_has_the_same_statuses(gateway: Gateway) -> None:
    """An invalid query over GET gets the same status as over POST."""
    answer = await get(gateway, "{ nope }", {"Accept": GRAPHQL_JSON})

    assert answer.status_code == 400


async def test_extensions_of_a_request_are_ignored(gateway: Gateway) -> None:
    """`extensions` of a request are accepted and ignored."""
    answer = await post_json(gateway, {"query": "{ __typename }", "extensions": {"a": {"b": 1}}})

    assert answer.json() == TYPENAME


async def test_each_operation_on_a_socket_reads_a_new_snapshot(rest: RestSide) -> None:
    """Each operation on a WebSocket reads a new snapshot, as the socket stays open for hours."""
    async with connected(rest, CREDENTIALS, cache_ttl=0) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init"})
        await socket.next_message()
        answers = []
        for number in (1, 2):
            rest.body = [{"ChatSessionId": number}]
            socket.send_json({"type": "subscribe", "id": str(number), "payload": {"query": QUERY}})
            answers.append((await socket.next_message())["payload"]["data"])
            await socket.next_message()

    assert answers == [{"chatSessions": [{"chatSessionId": number}]} for number in (1, 2)]
    assert rest.calls == 3  # one for the login


@pytest.mark.parametrize("more", [{}, {"operationName": "C"}], ids=["no name", "an unknown name"])
async def test_an_ambiguous_operation_on_a_socket_is_an_error(
    rest: RestSide, caplog: pytest.LogCaptureFixture, more: Json
) -> None:
    """Several operations without a valid `operationName` get an error, which is not logged."""
    payload = {"query": SEVERAL, **more}
    async with connected(rest, CREDENTIALS) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init"})
        await socket.next_message()
        socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        message = await socket.next_message()

    assert (message["type"], message["id"]) == ("error", "1")
    assert message["payload"][0]["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
    assert caplog.records == []
