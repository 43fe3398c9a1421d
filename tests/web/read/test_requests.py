"""GraphQL over HTTP: what is answered, and how what is no such request is refused."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.schema.guard.documents import Document, DocumentCache
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.page import post

QUERY = "{ chatSessions { chatSessionId customerName } }"
ANSWER = {"data": {"chatSessions": [{"chatSessionId": 1, "customerName": "Ada"}]}}
ONE = "query One($id: Int!) { chatSession(chatSessionId: $id) { customerName } }"
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


async def send(gateway: Gateway, body: bytes, **headers: str) -> httpx.Response:
    """Send a body as it is; names of headers are written with underscores."""
    sent = {"Content-Type": JSON, **CREDENTIALS}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    return await gateway.http.post("/graphql", content=body, headers=sent)


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of an answer that is one GraphQL error and nothing else."""
    answer = response.json()
    assert list(answer) == ["errors"], answer
    (error,) = answer["errors"]
    assert error["message"]
    return response.status_code, error["extensions"]["code"]


async def test_a_query_can_be_posted(gateway: Gateway) -> None:
    """The usual way: a JSON object with the query in it."""
    response = await gateway.post(QUERY)

    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == JSON


async def test_a_document_is_found_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """To find it by its text takes as long as the text, and others may drive it out meanwhile."""
    found: list[str] = []
    find = DocumentCache.find

    def counted(self: DocumentCache, text: str) -> Document:
        found.append(text)
        return find(self, text)

    monkeypatch.setattr(DocumentCache, "find", counted)
    response = await gateway.post(QUERY)

    assert response.json() == ANSWER
    assert found == [QUERY]


async def test_a_query_can_be_got(gateway: Gateway) -> None:
    """GET carries everything in its parameters."""
    parameters = {"query": f"{ONE} {QUERY.replace('{', 'query All {', 1)}"}
    parameters |= {"variables": '{"id": 1}', "operationName": "One"}

    response = await gateway.http.get("/graphql", params=parameters, headers=CREDENTIALS)

    assert response.json() == {"data": {"chatSession": {"customerName": "Ada"}}}


async def test_variables_reach_the_query(gateway: Gateway) -> None:
    """One operation of several is chosen by its name."""
    body = {"query": ONE, "variables": {"id": 2}, "operationName": "One", "extensions": {}}

    response = await send(gateway, json.dumps(body).encode())

    assert response.json() == {"data": {"chatSession": None}}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "APPLICATION/JSON",
        "Application/Json",
    ],
)
async def test_json_is_json_in_any_case(gateway: Gateway, content_type: str) -> None:
    """Media types are written in any case, and may have parameters."""
    response = await send(gateway, json.dumps({"query": QUERY}).encode(), Content_Type=content_type)

    assert response.json() == ANSWER


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", JSON),
        ("*/*", JSON),
        ("", JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8, application/json; q=0.9", GRAPHQL_JSON),
        (f"application/json;q=0.9, {GRAPHQL_JSON.upper()}", GRAPHQL_JSON),
    ],
)
async def test_the_answer_has_the_media_type_that_is_wanted(
    gateway: Gateway, accept: str, content_type: str
) -> None:
    """Clients that know GraphQL's own type get it; all others get JSON."""
    response = await gateway.post(QUERY, headers={**CREDENTIALS, "Accept": accept})

    assert response.headers["content-type"] == content_type
    assert response.json() == ANSWER


async def test_text_of_all_the_world_goes_through(rest: RestSide) -> None:
    """The answer is UTF-8, whatever is in it."""
    rest.body = [{"ChatSessionId": 1, "CustomerName": "Ødegård 田中 🙂 \u2028"}]

    async with gateway_over(rest) as gateway:
        data = await gateway.ask(QUERY)

    assert data["chatSessions"][0]["customerName"] == "Ødegård 田中 🙂 \u2028"


MALFORMED_BODIES = {
    "nothing": b"",
    "half": b'{"query": "{ chat',
    "words": b"query",
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "Infinity": b'{"query": "{ __typename }", "variables": {"a": Infinity}}',
    "not UTF-8": b'{"query": "{ \xff }"}',
    "UTF-16": '{"query": "{ __typename }"}'.encode("utf-16"),
    "half a surrogate pair": rb'{"query": "{ __typename }", "variables": {"a": "\ud800"}}',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "5,000 digits": b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"x}}",
    "two documents": b"{}{}",
    "null": b"null",
    "a number": b"42",
    "a string": b'"x"',
    "true": b"true",
    "a list": b"[]",
    "no query": b"{}",
    "another name": b'{"Query": "{ __typename }"}',
    "query null": b'{"query": null}',
    "query empty": b'{"query": ""}',
    "query a number": b'{"query": 42}',
    "query a list": b'{"query": ["{ __typename }"]}',
    "query an object": b'{"query": {}}',
    "variables a list": b'{"query": "{ __typename }", "variables": []}',
    "variables a string": b'{"query": "{ __typename }", "variables": "{}"}',
    "variables a number": b'{"query": "{ __typename }", "variables": 42}',
    "extensions a list": b'{"query": "{ __typename }", "extensions": []}',
    "extensions a string": b'{"query": "{ __typename }", "extensions": "x"}',
}


@pytest.mark.parametrize("body", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
async def test_a_malformed_body_is_a_bad_request(
    gateway: Gateway, rest: RestSide, body: bytes
) -> None:
    """Whatever it is, the answer is a GraphQL error in JSON with 400, and REST is not called."""
    response = await send(gateway, body)

    assert refusal(response) == (400, "BAD_REQUEST")
    assert rest.calls == 0


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
async def test_a_refusal_has_the_media_type_that_is_wanted(gateway: Gateway, accept: str) -> None:
    """Its status is the same in both."""
    response = await send(gateway, b"null", Accept=accept)

    assert refusal(response) == (400, "BAD_REQUEST")
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/graphql", "multipart/form-data; boundary=x"]
)
async def test_a_body_that_is_not_json_is_refused(
    gateway: Gateway, rest: RestSide, content_type: str
) -> None:
    """Types that a page of another site may send without asking are among them."""
    body = json.dumps({"query": QUERY}).encode()

    response = await send(gateway, body, Content_Type=content_type)

    assert refusal(response) == (415, "BAD_REQUEST")
    assert rest.calls == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": ""},
        {"query": QUERY, "variables": "{"},
        {"query": QUERY, "variables": "[1]"},
        {"query": QUERY, "variables": "42"},
        {"query": QUERY, "extensions": "42"},
        {"variables": "{}"},
    ],
)
async def test_malformed_parameters_are_a_bad_request(
    gateway: Gateway, parameters: dict[str, str]
) -> None:
    """A GET is read as strictly as a body."""
    headers = {**CREDENTIALS, "Accept": JSON}

    response = await gateway.http.get("/graphql", params=parameters, headers=headers)

    assert refusal(response) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "  "}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{a" * 3000}, "QUERY_TOO_COMPLEX"),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
        (
            {"query": "{ __typename } fragment F on Query { __typename }"},
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ({"query": "mutation { drop }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { s }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": ONE}, "BAD_USER_INPUT"),
        ({"query": ONE, "variables": {"id": "x"}}, "BAD_USER_INPUT"),
        ({"query": ONE, "variables": {"id": 2**31}}, "BAD_USER_INPUT"),
        ({"query": QUERY, "operationName": "Other"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": QUERY, "operationName": 42}, "BAD_REQUEST"),
        ({"query": QUERY, "operationName": []}, "BAD_REQUEST"),
        ({"query": "fragment F on Query { __typename }"}, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
async def test_a_document_that_cannot_be_run_is_refused_before_rest_is_called(
    gateway: Gateway, rest: RestSide, body: dict[str, Any], code: str
) -> None:
    """With GraphQL's own media type the status is 400, and the code says why."""
    response = await send(gateway, json.dumps(body).encode(), Accept=GRAPHQL_JSON)

    assert refusal(response) == (400, code)
    assert rest.calls == 0


async def test_a_mutation_is_refused_over_get(gateway: Gateway) -> None:
    """Nothing that a link can do changes anything."""
    response = await gateway.http.get("/graphql", params={"query": "mutation { drop }"})

    assert refusal(response) == (405, "BAD_REQUEST")
    assert response.headers["allow"] == "POST"


async def test_a_long_name_is_not_sent_back_in_full(gateway: Gateway) -> None:
    """What the client wrote is quoted, but not a megabyte of it."""
    body = json.dumps({"query": QUERY, "operationName": "N" * 100_000}).encode()

    response = await send(gateway, body)

    assert refusal(response) == (400, "OPERATION_RESOLUTION_FAILURE")
    assert len(response.content) < 1000


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_are_told_which_there_are(
    gateway: Gateway, rest: RestSide, method: str
) -> None:
    """405 comes with Allow (RFC 9110, section 15.5.6)."""
    response = await gateway.http.request(method, "/graphql", headers=CREDENTIALS)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert rest.calls == 0


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Query") { name } }',
    ],
)
async def test_introspection_can_be_turned_off(rest: RestSide, query: str) -> None:
    """Then nobody can ask for the schema, and queries go on working."""
    async with gateway_over(rest, introspection=False) as gateway:
        response = await gateway.post(query)
        data = await gateway.ask(QUERY)

    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert codes == {"GRAPHQL_VALIDATION_FAILED"}
    assert "data" not in response.json()
    assert data == ANSWER["data"]


async def test_introspection_answers_unless_it_is_off(gateway: Gateway, rest: RestSide) -> None:
    """It needs no credentials: the schema is no secret."""
    response = await gateway.post("{ __schema { queryType { name } } }", headers={})

    assert response.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    assert rest.calls == 0


async def test_a_bug_is_masked(gateway: Gateway, rest: RestSide) -> None:
    """What nobody raised on purpose is not shown; an id leads to it in the log."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("hunter2")

    rest.answer = fail

    response = await post(gateway, QUERY, {**CREDENTIALS, "Accept": GRAPHQL_JSON})

    (error,) = response.json()["errors"]
    assert response.status_code == 500
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["errorId"]
    assert "hunter2" not in response.text


async def test_a_client_that_hangs_up_in_its_request_is_no_fault(gateway: Gateway) -> None:
    """Nobody waits for the answer, which is no traceback either."""
    app = gateway.http._transport.app  # type: ignore[attr-defined]  # httpx has no name for it
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await received.put({"type": "http.disconnect"})

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}
    await app({**scope, "query_string": b""}, received.get, sent.put)

    assert received.empty()
    assert (await sent.get())["status"] == 408
