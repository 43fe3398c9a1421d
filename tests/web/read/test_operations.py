"""The choice of the operation in a document, and batches of operations."""

import asyncio
from typing import Any

import pytest

from gateway.schema.engine import Answer, Engine, Operation
from gateway.web.read import request
from tests.support import Gateway, RestSide, gateway_over
from tests.web.asking import GRAPHQL_JSON, TYPENAME, first_error, post_body, post_json

SEVERAL = "query A { a: __typename } query B { b: __typename }"
WHICH = "The document has to have one operation, or `operationName` has to name one of several."
SESSIONS = {"query": "{ chatSessions { chatSessionId } }"}
ANSWERED = {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.mark.parametrize(
    "named",
    [{}, {"operationName": None}, {"operationName": ""}],
    ids=["no name", "null", "an empty name"],
)
async def test_one_of_several_operations_must_be_named(
    gateway: Gateway, named: dict[str, str | None]
) -> None:
    """A document with several operations and no `operationName` gets an error."""
    answer = await post_json(gateway, {"query": SEVERAL, **named})

    assert answer.status_code == 200
    assert first_error(answer) == ("OPERATION_RESOLUTION_FAILURE", WHICH)


async def test_the_named_operation_is_run(gateway: Gateway) -> None:
    """The operation that `operationName` names is the only one that runs."""
    answer = await post_json(gateway, {"query": SEVERAL, "operationName": "B"})

    assert answer.json() == {"data": {"b": "Query"}}


async def test_a_single_operation_need_not_be_named(gateway: Gateway) -> None:
    """A single operation runs without an `operationName`, even if it has a name itself."""
    answer = await post_json(gateway, {"query": "query A { __typename }"})

    assert answer.json() == TYPENAME


async def test_an_unknown_operation_name_is_refused(gateway: Gateway) -> None:
    """An unknown `operationName` gets an error with at most 100 characters of it."""
    answer = await post_json(gateway, {"query": SEVERAL, "operationName": "C" * 200})

    assert answer.status_code == 200
    assert first_error(answer) == (
        "OPERATION_RESOLUTION_FAILURE",
        f"The document has no operation named '{'C' * 100}'.",
    )


async def test_a_batch_is_answered_in_its_order(gateway: Gateway) -> None:
    """A list of operations gets a list of answers, always as application/json."""
    batch = [{"query": "{ __typename }"}, SESSIONS, {"query": "{ b: __typename }"}]
    answer = await post_json(gateway, batch, accept=GRAPHQL_JSON)

    assert answer.json() == [TYPENAME, ANSWERED, {"data": {"b": "Query"}}]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("cache_control", ["", "no-cache"])
async def test_a_batch_costs_one_rest_call(
    gateway: Gateway, rest: RestSide, cache_control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All operations of a batch read one snapshot, a fresh one on request."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    await post_json(gateway, SESSIONS)
    rest.requests.clear()

    answer = await post_json(gateway, [SESSIONS] * 8, cache_control=cache_control)

    assert answer.json() == [ANSWERED] * 8
    assert rest.calls == (1 if cache_control else 0)


async def test_a_failed_operation_of_a_batch_does_not_affect_others(gateway: Gateway) -> None:
    """Each operation of a batch gets its own result or error."""
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


@pytest.mark.parametrize(
    ("last", "cache_control"), [(SESSIONS, "private"), ({"query": "{"}, "no-store")]
)
async def test_a_batch_may_be_cached_if_all_of_it_succeeds(
    gateway: Gateway, last: dict[str, str], cache_control: str
) -> None:
    """The answer to a batch with one error must not be cached."""
    answer = await post_json(gateway, [SESSIONS, last])

    assert answer.headers["cache-control"].startswith(cache_control)


async def test_other_tasks_run_between_the_operations_of_a_batch(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tasks run between the operations of a batch, which may be large."""
    order: list[str] = []
    execute = Engine.execute

    async def record_order(self: Any, *args: Any, **more: Any) -> Any:
        order.append("operation")
        asyncio.get_running_loop().call_soon(order.append, "other")
        return await execute(self, *args, **more)

    monkeypatch.setattr(Engine, "execute", record_order)

    await post_json(gateway, [{"query": "{ __typename }"}] * 3)

    assert order[:5] == ["operation", "other", "operation", "other", "operation"]


INTROSPECTIONS = ["{ __schema { description } }", 'query Q { a: __type(name: "Q") { name } }']


async def test_one_operation_of_a_batch_may_introspect(gateway: Gateway) -> None:
    """Introspection is slow, so a batch may contain it once; `__typename` does not count."""
    names = {"query": "{ __typename }"}

    one = await post_json(gateway, [names, {"query": INTROSPECTIONS[0]}, names])
    two = await post_json(gateway, [names, *({"query": query} for query in INTROSPECTIONS)])

    assert ["errors" in answer for answer in one.json()] == [False, False, False]
    assert ["errors" in answer for answer in two.json()] == [False, False, True]
    assert two.json()[2]["errors"][0]["message"] == "Only one operation of a batch may introspect."


async def test_a_batch_may_be_as_long_as_the_limit(rest: RestSide) -> None:
    """A batch of exactly the limit is answered."""
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
async def test_an_empty_or_too_long_batch_is_refused(
    rest: RestSide, most: int, batch: bytes, message: str
) -> None:
    """An empty or too long batch is refused before any operation runs."""
    async with gateway_over(rest, max_batch=most) as gateway:
        answer = await post_body(gateway, batch)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_no_operation_of_a_too_long_batch_is_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit comes before the work: a body can have thousands of small objects."""
    read: list[object] = []
    monkeypatch.setattr(request, "needed", read.append)

    answer = await post_json(gateway, [{}] * 1_000)

    assert first_error(answer)[1] == "The batch has 1000 operations; 1 to 8 may be sent."
    assert read == []


async def test_undeclared_variables_are_dropped(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscription would hold them; those of the document's other operations are undeclared."""
    sent: list[object] = []

    async def execute(self: Engine, operation: Operation, context: object) -> Answer:
        sent.append(operation.variables)
        return Answer({"data": {}})

    monkeypatch.setattr(Engine, "execute", execute)
    query = "query A($a: Int) { chatSessions(limit: $a) { id } } query B($b: Int) { __typename }"
    for variables in ({"a": 1, "b": 2, "c": 3}, {"a": 1}, {}, None):
        body = {"query": query, "operationName": "A", "variables": variables}
        await post_json(gateway, body)

    assert sent == [{"a": 1}, {"a": 1}, {}, None]
