"""Which operation of a document is run, and batches of operations."""

import asyncio
from typing import Any

import pytest

from gateway.schema.engine import Engine
from tests.support import Gateway, RestSide, gateway_over
from tests.web.asking import GRAPHQL_JSON, TYPENAME, first_error, post_body, post_json

SEVERAL = "query A { a: __typename } query B { b: __typename }"
WHICH = "The document has to have one operation, or `operationName` has to name one of several."
SESSIONS = {"query": "{ chatSessions { chatSessionId } }"}
ANSWERED = {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.mark.parametrize("named", [{}, {"operationName": None}, {"operationName": ""}])
async def test_it_is_not_guessed_which_operation_is_meant(
    gateway: Gateway, named: dict[str, str | None]
) -> None:
    """Of several operations, one has to be named."""
    answer = await post_json(gateway, {"query": SEVERAL, **named})

    assert answer.status_code == 400
    assert first_error(answer) == ("OPERATION_RESOLUTION_FAILURE", WHICH)


async def test_the_named_operation_is_run(gateway: Gateway) -> None:
    """And no other."""
    answer = await post_json(gateway, {"query": SEVERAL, "operationName": "B"})

    assert answer.json() == {"data": {"b": "Query"}}


async def test_a_single_operation_need_not_be_named(gateway: Gateway) -> None:
    """A name in the document does not ask for one beside it."""
    answer = await post_json(gateway, {"query": "query A { __typename }"})

    assert answer.json() == TYPENAME


async def test_a_name_that_is_not_there_is_refused(gateway: Gateway) -> None:
    """The name is repeated, but not more of it than helps."""
    answer = await post_json(gateway, {"query": SEVERAL, "operationName": "C" * 200})

    assert answer.status_code == 400
    assert first_error(answer) == (
        "OPERATION_RESOLUTION_FAILURE",
        f"The document has no operation named '{'C' * 100}'.",
    )


async def test_a_batch_is_answered_in_its_order(gateway: Gateway) -> None:
    """A list of operations gets a list of answers, as JSON whatever was asked for."""
    batch = [{"query": "{ __typename }"}, SESSIONS, {"query": "{ b: __typename }"}]
    answer = await post_json(gateway, batch, accept=GRAPHQL_JSON)

    assert answer.json() == [TYPENAME, ANSWERED, {"data": {"b": "Query"}}]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("cache_control", ["", "no-cache"])
async def test_a_batch_costs_one_rest_call(
    gateway: Gateway, rest: RestSide, cache_control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its operations read one snapshot, a fresh one where that is asked for."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    await post_json(gateway, SESSIONS)
    rest.requests.clear()

    answer = await post_json(gateway, [SESSIONS] * 8, cache_control=cache_control)

    assert answer.json() == [ANSWERED] * 8
    assert rest.calls == (1 if cache_control else 0)


async def test_an_operation_that_fails_leaves_the_others_alone(gateway: Gateway) -> None:
    """Each is answered for itself."""
    batch = [
        SESSIONS,
        {"query": "{"},
        {"query": "{ nope }"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
        {"query": "query ($n: Int!) { chatSessions(limit: $n) { id } }"},
        {"query": "{ __typename }"},
    ]
    answer = await post_json(gateway, batch)

    answers = answer.json()
    assert answer.status_code == 200
    assert (answers[0], answers[-1]) == (ANSWERED, TYPENAME)
    assert [one["errors"][0]["extensions"]["code"] for one in answers[1:-1]] == [
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "PERSISTED_QUERY_NOT_FOUND",
        "BAD_USER_INPUT",
    ]


@pytest.mark.parametrize(("last", "kept"), [(SESSIONS, "private"), ({"query": "{"}, "no-store")])
async def test_a_batch_may_be_kept_when_all_of_it_succeeds(
    gateway: Gateway, last: dict[str, str], kept: str
) -> None:
    """One error in it, and it is not for caches."""
    answer = await post_json(gateway, [SESSIONS, last])

    assert answer.headers["cache-control"].startswith(kept)


async def test_others_have_a_turn_between_the_operations_of_a_batch(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight large ones after each other would keep everybody waiting."""
    order: list[str] = []
    execute = Engine.execute

    async def noted(self: Any, *args: Any, **more: Any) -> Any:
        order.append("operation")
        asyncio.get_running_loop().call_soon(order.append, "other")
        return await execute(self, *args, **more)

    monkeypatch.setattr(Engine, "execute", noted)

    await post_json(gateway, [{"query": "{ __typename }"}] * 3)

    assert order[:5] == ["operation", "other", "operation", "other", "operation"]


INTROSPECTIONS = ["{ __schema { description } }", 'query Q { a: __type(name: "Q") { name } }']


async def test_one_operation_of_a_batch_may_introspect(gateway: Gateway) -> None:
    """It takes long, and no tool needs it twice at once; `__typename` is none."""
    names = {"query": "{ __typename }"}

    one = await post_json(gateway, [names, {"query": INTROSPECTIONS[0]}, names])
    two = await post_json(gateway, [names, *({"query": query} for query in INTROSPECTIONS)])

    assert ["errors" in answer for answer in one.json()] == [False, False, False]
    assert ["errors" in answer for answer in two.json()] == [False, False, True]
    assert two.json()[2]["errors"][0]["message"] == "Only one operation of a batch may introspect."


async def test_a_batch_may_be_as_long_as_the_limit(rest: RestSide) -> None:
    """The limit itself is within."""
    async with gateway_over(rest, max_batch=2) as gateway:
        answer = await post_json(gateway, [{"query": "{ __typename }"}] * 2)

    assert answer.json() == [TYPENAME, TYPENAME]


@pytest.mark.parametrize(
    ("most", "batch", "message"),
    [
        (2, b"[]", "The batch has 0 operations; 1 to 2 may be sent."),
        (2, b"[{}, {}, {}]", "The batch has 3 operations; 1 to 2 may be sent."),
        (0, b"[{}]", "Batches are not accepted: send one operation per request."),
        (0, b"[]", "Batches are not accepted: send one operation per request."),
    ],
)
async def test_a_batch_that_is_none_is_refused(
    rest: RestSide, most: int, batch: bytes, message: str
) -> None:
    """As a whole, before any of it is run."""
    async with gateway_over(rest, max_batch=most) as gateway:
        answer = await post_body(gateway, batch)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)
