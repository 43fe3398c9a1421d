"""What the outermost layer does when something takes too long or goes wrong."""

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


async def never(request: httpx.Request) -> httpx.Response:
    """Play a REST side that does not answer."""
    future: asyncio.Future[httpx.Response] = asyncio.Future()
    return await future


async def test_a_request_has_a_time_limit(rest: RestSide) -> None:
    """Past it, the answer is a 504 that names the limit, whatever the media type."""
    rest.answer = never
    async with gateway_over(rest, request_timeout=0.02) as gateway:
        answer = await gateway.post(QUERY)

    assert answer.status_code == 504
    assert first_error(answer) == (
        "UPSTREAM_TIMEOUT",
        "The request took longer than 0.02 seconds.",
    )
    assert answer.headers["cache-control"] == "no-store"


async def test_a_request_within_its_time_is_answered(rest: RestSide) -> None:
    """The limit is on the request, not on REST."""
    async with gateway_over(rest, request_timeout=30) as gateway:
        assert (await gateway.post("{ __typename }")).json() == TYPENAME


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_JSON])
async def test_a_bug_before_the_query_is_masked(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    """The client gets an id, and the log has the same id and the traceback."""

    async def fail(*args: Any) -> Any:
        raise ZeroDivisionError("s3cret")

    monkeypatch.setattr(Reader, "request", fail)

    with caplog.at_level(logging.ERROR):
        answer = await gateway.post("{ __typename }", headers={"Accept": accept})

    (error,) = answer.json()["errors"]
    assert answer.status_code == 500
    assert answer.headers["content-type"] == accept
    assert error["message"] == "The gateway failed here."
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
)
async def test_an_error_of_the_query_has_a_status_where_statuses_tell(
    gateway: Gateway, query: str, status: int, code: str
) -> None:
    """With graphql-response+json; with json the same answer is a 200."""
    telling = await gateway.post(query, headers={**CREDENTIALS, "Accept": GRAPHQL_JSON})
    plain = await gateway.post(query)

    assert (telling.status_code, first_error(telling)[0]) == (status, code)
    assert (plain.status_code, plain.json()["errors"]) == (200, telling.json()["errors"])


async def test_get_has_the_same_statuses(gateway: Gateway) -> None:
    """The method makes no difference to what is wrong."""
    answer = await get(gateway, "{ nope }", {"Accept": GRAPHQL_JSON})

    assert answer.status_code == 400


async def test_an_extension_of_the_request_is_left_alone(gateway: Gateway) -> None:
    """Clients send their own."""
    answer = await post_json(gateway, {"query": "{ __typename }", "extensions": {"a": {"b": 1}}})

    assert answer.json() == TYPENAME


async def test_each_operation_on_a_socket_has_a_snapshot_of_its_time(rest: RestSide) -> None:
    """A socket lives for hours: what it read at first is not what it reads at last."""
    async with connected(rest, CREDENTIALS, cache_ttl=0) as socket:
        await socket.sent.get()
        socket.say({"type": "connection_init"})
        await socket.heard()
        found = []
        for number in (1, 2):
            rest.body = [{"ChatSessionId": number}]
            socket.say({"type": "subscribe", "id": str(number), "payload": {"query": QUERY}})
            found.append((await socket.heard())["payload"]["data"])
            await socket.heard()

    assert found == [{"chatSessions": [{"chatSessionId": number}]} for number in (1, 2)]
    assert rest.calls == 3  # one for the login


@pytest.mark.parametrize("more", [{}, {"operationName": "C"}])
async def test_it_is_not_guessed_on_a_socket_either_which_operation_is_meant(
    rest: RestSide, caplog: pytest.LogCaptureFixture, more: Json
) -> None:
    """The client's mistake is an error of its operation, and no fault of ours in the log."""
    payload = {"query": SEVERAL, **more}
    async with connected(rest, CREDENTIALS) as socket:
        await socket.sent.get()
        socket.say({"type": "connection_init"})
        await socket.heard()
        socket.say({"type": "subscribe", "id": "1", "payload": payload})
        message = await socket.heard()

    assert (message["type"], message["id"]) == ("error", "1")
    assert message["payload"][0]["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
    assert caplog.records == []
