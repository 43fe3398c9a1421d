"""An operation is read and refused alike over every transport."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import connected_to, get, post_body

QUERY = "query A { __typename }"
HASH = hashlib.sha256(QUERY.encode()).hexdigest()
PERSISTED = {"persistedQuery": {"version": 1, "sha256Hash": HASH}}
SEVERAL = f"{QUERY} query B {{ b: __typename }}"
A, B = {"__typename": "Query"}, {"b": "Query"}

Payload = dict[str, Any]
Transport = Callable[[Gateway, Payload], Coroutine[Any, Any, Any]]


async def over_post(gateway: Gateway, payload: Payload) -> Any:
    """Send an operation as JSON."""
    return (await post_body(gateway, json.dumps(payload).encode(), **CREDENTIALS)).json()


async def over_get(gateway: Gateway, payload: Payload) -> Any:
    """Send an operation in the URL, without parameters that are null."""
    present = {k: v for k, v in payload.items() if v is not None}
    text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in present.items()}
    answer = await gateway.http.get("/graphql", params=text, headers=CREDENTIALS)
    return answer.json()


async def in_a_batch(gateway: Gateway, payload: Payload) -> Any:
    """Send an operation in a batch, beside a valid one."""
    body = json.dumps([payload, {"query": QUERY}]).encode()
    answer, other = (await post_body(gateway, body, **CREDENTIALS)).json()
    assert other == {"data": A}
    return answer


async def as_events(gateway: Gateway, payload: Payload) -> Any:
    """Send an operation that is answered as an event stream."""
    headers = {**CREDENTIALS, "Accept": "text/event-stream"}
    answer = await post_body(gateway, json.dumps(payload).encode(), **headers)
    if answer.headers["content-type"].startswith("application/"):
        return answer.json()
    return json.loads(answer.text.partition("data: ")[2].partition("\n")[0])


async def on_a_socket(gateway: Gateway, payload: Payload) -> Any:
    """Send an operation over a WebSocket."""
    async with connected_to(gateway.app, CREDENTIALS) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init", "payload": None})
        assert (await socket.next_message())["type"] == "connection_ack"
        socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        message = await socket.next_message()
    if message["type"] == "error":
        return {"errors": message["payload"]}
    return message["payload"]


TRANSPORTS = [over_post, over_get, in_a_batch, as_events, on_a_socket]

READ: dict[str, tuple[Payload, Any]] = {
    "a query": ({"query": QUERY}, A),
    "a name": ({"query": SEVERAL, "operationName": "B"}, B),
    "an empty name": ({"query": QUERY, "operationName": ""}, A),
    "no name": ({"query": QUERY, "operationName": None}, A),
    "documentId": ({"documentId": "one"}, A),
    "documentId beside an empty query": ({"query": "", "documentId": "one"}, A),
    "documentId beside null": ({"query": None, "documentId": "one"}, A),
    "doc_id": ({"doc_id": "one"}, A),
    "id": ({"id": "one"}, A),
    "hash": ({"extensions": PERSISTED}, A),
    "hash beside an empty query": ({"query": "", "extensions": PERSISTED}, A),
    "hash beside null": ({"query": None, "extensions": PERSISTED}, A),
}

NAMED = {"operationName": "A"}

REFUSED: dict[str, tuple[Payload, str]] = {
    "nothing": ({}, "BAD_REQUEST"),
    "no such document": ({"documentId": "none"}, "PERSISTED_QUERY_NOT_FOUND"),
    "no such name": ({"query": SEVERAL, "operationName": "C"}, "OPERATION_RESOLUTION_FAILURE"),
    "several": ({"query": SEVERAL}, "OPERATION_RESOLUTION_FAILURE"),
    "an empty name of several": (
        {"query": SEVERAL, "operationName": ""},
        "OPERATION_RESOLUTION_FAILURE",
    ),
    "variables a list": ({"query": QUERY, "variables": []}, "BAD_REQUEST"),
    "a syntax error": ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
    "a name and a syntax error": ({**NAMED, "query": "query A {"}, "GRAPHQL_PARSE_FAILED"),
    "a name and an unknown field": (
        {**NAMED, "query": "query A { nope }"},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a name and too many levels": (
        {**NAMED, "query": "query A" + "{a" * 200 + "}" * 200},
        "QUERY_TOO_COMPLEX",
    ),
    "a name and too many tokens": (
        {**NAMED, "query": "query A {" + " a" * 2_000 + "}"},
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.fixture
async def gateway(rest: RestSide, tmp_path: Any) -> Any:
    """Return a gateway with a trusted document, in a file with a byte order mark."""
    file = tmp_path / "documents.json"
    file.write_text(json.dumps({"one": QUERY, HASH: QUERY}), "utf-8-sig")
    async with gateway_over(rest, trusted_documents=file) as running:
        yield running


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("payload", "data"), READ.values(), ids=READ)
async def test_an_operation_is_read_alike_over_every_transport(
    gateway: Gateway, transport: Transport, payload: Payload, data: Any
) -> None:
    """Each way to name an operation works over every transport."""
    assert await transport(gateway, payload) == {"data": data}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("payload", "code"), REFUSED.values(), ids=REFUSED)
async def test_an_operation_is_refused_alike_over_every_transport(
    gateway: Gateway, transport: Transport, payload: Payload, code: str
) -> None:
    """An invalid operation gets the same code everywhere; its batch or socket continues."""
    answer = await transport(gateway, payload)

    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
    assert "data" not in answer


async def test_a_byte_order_mark_is_skipped(gateway: Gateway) -> None:
    """A byte order mark, which PowerShell and some editors write, is skipped."""
    text = "\ufeff" + json.dumps({"query": QUERY})
    assert (await post_body(gateway, text.encode(), **CREDENTIALS)).json() == {"data": A}
    assert (await get(gateway, QUERY, variables="\ufeff{}")).json() == {"data": A}
    async with connected_to(gateway.app, CREDENTIALS) as socket:
        await socket.sent.get()
        for message in ('{"type": "connection_init"}', '{"type": "ping"}'):
            socket._incoming.put_nowait({"type": "websocket.receive", "text": "\ufeff" + message})
        types = [(await asyncio.wait_for(socket.next_message(), 5))["type"] for _ in range(2)]
    assert types == ["connection_ack", "pong"]
