"""GraphQL over HTTP: valid requests are answered, invalid ones are refused."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.schema.guard.documents import Document, DocumentCache
from gateway.web.read.request import Reader, needed
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import get, post_body

QUERY = "{ chatSessions { chatSessionId customerName } }"
ANSWER = {"data": {"chatSessions": [{"chatSessionId": 1, "customerName": "Ada"}]}}
ONE = "query One($id: Int!) { chatSession(chatSessionId: $id) { customerName } }"
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


async def send(gateway: Gateway, body: bytes, **headers: str) -> httpx.Response:
    """Send a body unchanged; write header names with underscores."""
    all_headers = {"Content-Type": JSON, **CREDENTIALS}
    all_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return await gateway.http.post("/graphql", content=body, headers=all_headers)


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    """Return the status and code of an answer with one GraphQL error and nothing else."""
    answer = response.json()
    assert list(answer) == ["errors"], answer
    (error,) = answer["errors"]
    assert error["message"]
    return response.status_code, error["extensions"]["code"]


async def test_a_query_can_be_posted(gateway: Gateway) -> None:
    """A POST with a query in a JSON object is answered."""
    response = await gateway.post(QUERY)

    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == JSON


async def test_a_document_is_found_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup takes as long as the text, and the document may be evicted before the next one."""
    texts: list[str] = []
    find = DocumentCache.find

    def record(self: DocumentCache, text: str) -> Document:
        texts.append(text)
        return find(self, text)

    monkeypatch.setattr(DocumentCache, "find", record)
    response = await gateway.post(QUERY)

    assert response.json() == ANSWER
    assert texts == [QUERY]


async def test_a_query_can_be_sent_over_get(gateway: Gateway) -> None:
    """A GET carries query, variables and operation name in its parameters."""
    parameters = {"query": f"{ONE} {QUERY.replace('{', 'query All {', 1)}"}
    parameters |= {"variables": '{"id": 1}', "operationName": "One"}

    response = await gateway.http.get("/graphql", params=parameters, headers=CREDENTIALS)

    assert response.json() == {"data": {"chatSession": {"customerName": "Ada"}}}


async def test_variables_reach_the_query(gateway: Gateway) -> None:
    """A query uses the variables of its request."""
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
async def test_json_content_types_are_accepted_in_any_case(
    gateway: Gateway, content_type: str
) -> None:
    """Media types are case-insensitive and may have parameters."""
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
async def test_the_answer_has_the_accepted_media_type(
    gateway: Gateway, accept: str, content_type: str
) -> None:
    """Clients that accept GraphQL's own type get it; all others get JSON."""
    response = await gateway.post(QUERY, headers={**CREDENTIALS, "Accept": accept})

    assert response.headers["content-type"] == content_type
    assert response.json() == ANSWER


async def test_any_unicode_text_is_preserved(rest: RestSide) -> None:
    """Any Unicode text is preserved in the answer."""
    rest.body = [{"ChatSessionId": 1, "CustomerName": "Ødegård 田中 🙂 \u2028"}]

    async with gateway_over(rest) as gateway:
        data = await gateway.ask(QUERY)

    assert data["chatSessions"][0]["customerName"] == "Ødegård 田中 🙂 \u2028"


def test_only_what_is_read_is_kept_of_an_operation() -> None:
    """A request may wait for its turn, with any other JSON beside its operation."""
    operation: Any = {"query": "{ a }", "variables": {"a": [1]}, "id": "x"}
    persisted: Any = {"persistedQuery": {"version": 1}}
    sent = {**operation, "x": [[]], "extensions": {**persisted, "y": [[]]}}
    kept = {**operation, "extensions": persisted}

    assert needed(sent) == kept
    assert needed([[]]) is None
    assert needed({"extensions": 1}) == {"extensions": 1}
    assert needed("x") == "x"


async def test_only_that_is_kept_of_either_method(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL can hold as much other JSON as a body."""
    read, kept = Reader.operation, list[Any]()

    async def operation(reader: Reader, data: Any) -> Any:
        kept.append(data)
        return await read(reader, data)

    monkeypatch.setattr(Reader, "operation", operation)
    await get(gateway, "{ __typename }", extensions='{"x": [[]]}', y="z")
    await post_body(gateway, b'{"query": "{ __typename }", "extensions": {"x": [[]]}, "y": "z"}')

    assert kept == [
        {"query": "{ __typename }", "variables": None, "extensions": {}},
        {"query": "{ __typename }", "extensions": {}},
    ]


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
    """A malformed body gets a GraphQL error in JSON with 400, and REST is not called."""
    response = await send(gateway, body)

    assert status_and_code(response) == (400, "BAD_REQUEST")
    assert rest.calls == 0


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
async def test_an_error_has_the_accepted_media_type(gateway: Gateway, accept: str) -> None:
    """An error has the accepted media type, and the same status in each."""
    response = await send(gateway, b"null", Accept=accept)

    assert status_and_code(response) == (400, "BAD_REQUEST")
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/graphql", "multipart/form-data; boundary=x"]
)
async def test_a_body_that_is_not_json_is_refused(
    gateway: Gateway, rest: RestSide, content_type: str
) -> None:
    """A body of another type gets 415, as do types that need no CORS preflight."""
    body = json.dumps({"query": QUERY}).encode()

    response = await send(gateway, body, Content_Type=content_type)

    assert status_and_code(response) == (415, "BAD_REQUEST")
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
    ids=[
        "query empty",
        "variables not JSON",
        "variables a list",
        "variables a number",
        "extensions a number",
        "no query",
    ],
)
async def test_malformed_parameters_are_a_bad_request(
    gateway: Gateway, parameters: dict[str, str]
) -> None:
    """Invalid parameters of a GET get 400, as they do in a body."""
    headers = {**CREDENTIALS, "Accept": JSON}

    response = await gateway.http.get("/graphql", params=parameters, headers=headers)

    assert status_and_code(response) == (400, "BAD_REQUEST")


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
    ids=[
        "half a document",
        "white space",
        "a deep document",
        "an unknown field",
        "an unused fragment",
        "a mutation",
        "an unknown subscription",
        "a missing variable",
        "a text as number",
        "a large number",
        "an unknown operation",
        "a number as operation",
        "a list as operation",
        "no operation",
    ],
)
async def test_an_invalid_document_is_refused_before_rest_is_called(
    gateway: Gateway, rest: RestSide, body: dict[str, Any], code: str
) -> None:
    """An invalid document gets a code, and 400 unless the answer is application/json."""
    with_own_type = await send(gateway, json.dumps(body).encode(), Accept=GRAPHQL_JSON)
    as_json = await send(gateway, json.dumps(body).encode())

    assert status_and_code(with_own_type) == (400, code)
    assert status_and_code(as_json) == (400 if code == "BAD_REQUEST" else 200, code)
    assert rest.calls == 0


async def test_a_mutation_is_refused_over_get(gateway: Gateway) -> None:
    """A mutation over GET gets 405, as a link must not change data."""
    response = await gateway.http.get("/graphql", params={"query": "mutation { drop }"})

    assert status_and_code(response) == (405, "BAD_REQUEST")
    assert response.headers["allow"] == "POST"


async def test_a_long_name_is_truncated_in_an_error(gateway: Gateway) -> None:
    """An error quotes only the start of a long name."""
    body = json.dumps({"query": QUERY, "operationName": "N" * 100_000}).encode()

    response = await send(gateway, body)

    assert status_and_code(response) == (200, "OPERATION_RESOLUTION_FAILURE")
    assert len(response.content) < 1000


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_get_405_with_allow(
    gateway: Gateway, rest: RestSide, method: str
) -> None:
    """Methods other than GET and POST get 405 with Allow (RFC 9110, section 15.5.6)."""
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
    """With introspection off, the schema cannot be queried, and other queries are answered."""
    async with gateway_over(rest, introspection=False) as gateway:
        response = await gateway.post(query)
        data = await gateway.ask(QUERY)

    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert codes == {"GRAPHQL_VALIDATION_FAILED"}
    assert "data" not in response.json()
    assert data == ANSWER["data"]


async def test_introspection_needs_no_credentials(gateway: Gateway, rest: RestSide) -> None:
    """Introspection needs no credentials, as the schema is no secret."""
    response = await gateway.post("{ __schema { queryType { name } } }", headers={})

    assert response.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    assert rest.calls == 0


async def test_a_bug_is_masked(gateway: Gateway, rest: RestSide) -> None:
    """A bug gets a masked error with an id that leads to it in the log."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("hunter2")

    rest.answer = fail

    response = await gateway.post(QUERY, headers={**CREDENTIALS, "Accept": GRAPHQL_JSON})

    (error,) = response.json()["errors"]
    assert response.status_code == 500
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["errorId"]
    assert "hunter2" not in response.text


async def test_a_client_that_disconnects_causes_no_traceback(gateway: Gateway) -> None:
    """A client that disconnects before its body is complete gets 408 and no traceback."""
    app = gateway.http._transport.app  # type: ignore[attr-defined]  # httpx has no name for it
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await received.put({"type": "http.disconnect"})

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}
    await app({**scope, "query_string": b""}, received.get, sent.put)

    assert received.empty()
    assert (await sent.get())["status"] == 408
