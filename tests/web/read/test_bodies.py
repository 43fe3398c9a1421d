"""Bodies and URLs of requests: valid ones are read, others are refused with a reason."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from gateway.errors import BodyTooLargeError, BodyTooSlowError, RequestError
from gateway.web.inbound import Inbound, RequestHead
from gateway.web.read import body as body_module
from gateway.web.read import body as receiving
from gateway.web.read.body import read_body
from tests.support import Gateway, RestSide, gateway_over
from tests.web.asking import TYPENAME, first_error, get, post_body, post_json

QUERY = b'{"query": "{ __typename }"}'
NO_JSON = "The request's body is not valid JSON."
TOO_MANY = "The request's body has too many values: at most 50000 are accepted."
NO_OBJECT = "A GraphQL request has to be a JSON object."
NO_QUERY = "The request has no `query`."


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_get_405(gateway: Gateway, method: str) -> None:
    """Methods other than GET and POST get 405, with Allow."""
    answer = await gateway.http.request(method, "/graphql", json={"query": "{ __typename }"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert first_error(answer) == ("BAD_REQUEST", "Only GET and POST are allowed.")


async def test_head_gets_405(gateway: Gateway) -> None:
    """HEAD gets 405, as its headers would need the query to be run."""
    answer = await gateway.http.head("/graphql", params={"query": "{ __typename }"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_mutation_over_get_gets_405(gateway: Gateway) -> None:
    """A mutation over GET, which must be safe, gets 405."""
    answer = await get(gateway, "mutation { change }")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert first_error(answer) == ("BAD_REQUEST", "Only queries are answered over GET.")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "Application/Json; Charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json ; charset=utf8",
        "application/json; profile=x",
    ],
)
async def test_json_content_types_are_accepted_in_any_case(
    gateway: Gateway, content_type: str
) -> None:
    """Media types and charsets are case-insensitive."""
    answer = await gateway.http.post(
        "/graphql", content=QUERY, headers={"Content-Type": content_type}
    )

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "The request's Content-Type has to be application/json."),
        ({"Content-Type": ""}, "The request's Content-Type has to be application/json."),
        (
            {"Content-Type": "text/plain; a=application/json"},
            "The request's Content-Type has to be application/json.",
        ),
        (
            {"Content-Type": "application/jsonx"},
            "The request's Content-Type has to be application/json.",
        ),
        (
            {"Content-Type": "application/graphql"},
            "The request's Content-Type has to be application/json.",
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            "The request's Content-Type has to be application/json.",
        ),
        (
            {"Content-Type": "application/json; charset=latin1"},
            "The request's JSON has to be in UTF-8.",
        ),
        (
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            "The request's body must not be compressed.",
        ),
    ],
    ids=[
        "no type",
        "an empty type",
        "JSON as a parameter",
        "jsonx",
        "graphql",
        "multipart",
        "latin1",
        "gzip",
    ],
)
async def test_a_body_of_another_type_gets_415(
    gateway: Gateway, headers: dict[str, str], message: str
) -> None:
    """A body that is not plain JSON in UTF-8 gets 415, with the reason."""
    answer = await gateway.http.post("/graphql", content=QUERY, headers=headers)

    assert answer.status_code == 415
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_content_encoding_identity_is_accepted(gateway: Gateway) -> None:
    """A Content-Encoding of `identity` is accepted."""
    answer = await post_body(gateway, QUERY, content_encoding="Identity")

    assert answer.json() == TYPENAME


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in chunks, so that no Content-Length is sent."""
    for start in range(0, len(body), 5):
        yield body[start : start + 5]


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_may_be_as_large_as_the_limit(rest: RestSide, is_chunked: bool) -> None:
    """A body of exactly the limit is read, with a Content-Length or in chunks."""
    body = in_chunks(QUERY) if is_chunked else QUERY
    async with gateway_over(rest, max_body_bytes=len(QUERY)) as gateway:
        answer = await gateway.http.post(
            "/graphql", content=body, headers={"Content-Type": "application/json"}
        )

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(("is_chunked", "size"), [(False, "27"), (True, "more than 26")])
async def test_a_larger_body_gets_413(rest: RestSide, is_chunked: bool, size: str) -> None:
    """A body of one byte more gets 413, with a Content-Length or in chunks."""
    body = in_chunks(QUERY) if is_chunked else QUERY
    async with gateway_over(rest, max_body_bytes=26) as gateway:
        answer = await gateway.http.post(
            "/graphql", content=body, headers={"Content-Type": "application/json"}
        )

    assert answer.status_code == 413
    assert first_error(answer) == (
        "BAD_REQUEST",
        f"The request's body has {size} bytes; at most 26 are accepted.",
    )


async def test_a_large_content_length_gets_413(gateway: Gateway) -> None:
    """A Content-Length above the limit, however long a number, gets 413 before the body is read."""
    answer = await post_body(gateway, QUERY, content_length="9" * 5_000)

    assert answer.status_code == 413


async def test_an_invalid_content_length_is_ignored(gateway: Gateway) -> None:
    """A Content-Length of `²`, a digit to Python, is ignored."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"\xb2")]
    answer = await gateway.http.post("/graphql", content=QUERY, headers=headers)

    assert answer.json() == TYPENAME


async def test_a_body_that_does_not_arrive_gets_408(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that does not arrive before the timeout gets 408."""
    monkeypatch.setattr(body_module, "_TIMEOUT_S", 0.02)

    async def stalling() -> AsyncIterator[bytes]:
        yield QUERY[:5]
        await asyncio.Event().wait()

    # In a task: Python 3.11 stops tracing coroutines that a timeout was thrown through.
    answer = await asyncio.create_task(
        gateway.http.post(
            "/graphql", content=stalling(), headers={"Content-Type": "application/json"}
        )
    )

    assert answer.status_code == 408
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The request's body did not arrive within 0.02 seconds.",
    )


async def test_a_client_that_disconnects_is_a_client_error() -> None:
    """A client that disconnects before its body is complete causes a client error, not a bug."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    inbound = Inbound(RequestHead(RequestError("no caller")), b"id")
    scope = {"type": "http", "headers": [], "gateway.inbound": inbound}
    with pytest.raises(BodyTooSlowError, match="disconnected before its request was complete"):
        await read_body(Request(scope, receive), max_bytes=10)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"null", NO_OBJECT),
        (b"42", NO_OBJECT),
        (b'"x"', NO_OBJECT),
        (b"true", NO_OBJECT),
        (b"", NO_JSON),
        (b"NaN", NO_JSON),
        (b"\xff", NO_JSON),
        (b'{"query": "\xff"}', NO_JSON),
        (b'{"query": "\\ud800"}', NO_JSON),
        (b'{"query": "{ __typename }", "variables": {"x": NaN}}', NO_JSON),
        (b'{"query": "{ __typename }"} {}', NO_JSON),
        (b"{'query': '{ __typename }'}", NO_JSON),
        (b"[" * 50_000, NO_JSON),
        (b"[" * 50_001, TOO_MANY),
        (b'{"query": "{ __typename }", "x": [' + b"[]," * 60_000 + b"1]}", TOO_MANY),
        (b'{"a":' * 50_000, NO_JSON),
        (b"9" * 5_000, NO_JSON),
        (b"{}", NO_QUERY),
        (b'{"query": null}', NO_QUERY),
        (b'{"query": ""}', NO_QUERY),
        (b'{"query": 1}', "`query` has to be a string or null."),
        (b'{"query": ["x"]}', "`query` has to be a string or null."),
        (b'{"query": "{a}", "variables": []}', "`variables` has to be an object or null."),
        (b'{"query": "{a}", "variables": "{}"}', "`variables` has to be an object or null."),
        (b'{"query": "{a}", "operationName": 1}', "`operationName` has to be a string or null."),
        (b'{"query": "{a}", "extensions": "x"}', "`extensions` has to be an object or null."),
        (b'{"query": "{a}", "extensions": []}', "`extensions` has to be an object or null."),
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_an_invalid_request_gets_400(gateway: Gateway, body: bytes, message: str) -> None:
    """A body that is no GraphQL request gets 400, with the reason."""
    answer = await post_body(gateway, body)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_null_parameters_count_as_missing(gateway: Gateway) -> None:
    """Optional parameters may be null."""
    parameters = {"variables": None, "operationName": None, "extensions": None}
    answer = await post_json(gateway, {"query": "{ __typename }", **parameters})

    assert answer.json() == TYPENAME


async def test_variables_in_a_url_are_json(gateway: Gateway) -> None:
    """`variables` in a URL is JSON."""
    query = "query ($id: Int!) { chatSession(chatSessionId: $id) { chatSessionId } }"
    answer = await get(gateway, query, variables='{"id": 1}')

    assert answer.json() == {"data": {"chatSession": {"chatSessionId": 1}}}


async def test_empty_parameters_in_a_url_count_as_missing(gateway: Gateway) -> None:
    """Some clients send every parameter, even without a value."""
    answer = await get(gateway, "{ __typename }", variables="", extensions="", operationName="")

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"variables": "{"}, "`variables` is not valid JSON."),
        ({"variables": "1"}, "`variables` has to be an object or null."),
        ({"extensions": "x"}, "`extensions` is not valid JSON."),
        ({"extensions": "[]"}, "`extensions` has to be an object or null."),
        ({"query": ""}, NO_QUERY),
    ],
    ids=[
        "variables not JSON",
        "variables a number",
        "extensions not JSON",
        "extensions a list",
        "query empty",
    ],
)
async def test_an_invalid_parameter_in_a_url_gets_400(
    gateway: Gateway, parameters: dict[str, str], message: str
) -> None:
    """An invalid parameter in a URL gets 400, which names it."""
    params = {"query": "{ __typename }", **parameters}
    answer = await gateway.http.get("/graphql", params=params)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_a_url_without_a_query_gets_400(gateway: Gateway) -> None:
    """A URL without a query gets 400 if the client does not accept the HTML page."""
    answer = await gateway.http.get("/graphql", headers={"Accept": "application/json"})

    assert (answer.status_code, first_error(answer)) == (400, ("BAD_REQUEST", NO_QUERY))


def nested(depth: int) -> dict[str, Any]:
    """Return variables with this many levels of objects and lists."""
    variables: Any = 1
    for level in range(depth - 1):
        variables = [variables] if level % 2 else {"a": variables}
    return {"a": variables}


async def post_variables(gateway: Gateway, variables: dict[str, Any]) -> httpx.Response:
    """Send variables that the query does not use."""
    return await gateway.post("{ __typename }", variables)


async def test_variables_may_be_as_deep_as_the_limit(rest: RestSide) -> None:
    """Variables of exactly the deepest allowed level are accepted."""
    async with gateway_over(rest) as gateway:
        assert (await post_variables(gateway, nested(20))).json() == TYPENAME


@pytest.mark.parametrize("depth", [21, 300, 500])
async def test_deeper_variables_are_refused(rest: RestSide, depth: int) -> None:
    """Variables of one level more are refused, and so are those too deep to serialize."""
    async with gateway_over(rest) as gateway:
        answer = await post_variables(gateway, nested(depth))

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables are nested more than 20 levels deep.",
    )


async def test_variables_may_be_as_large_as_the_limit(rest: RestSide) -> None:
    """Variables of exactly the limit are accepted, counted in bytes of JSON without spaces."""
    variables = {"a": "ø" * 10}
    size = len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode())
    async with gateway_over(rest, max_variables_bytes=size) as gateway:
        assert (await post_variables(gateway, variables)).json() == TYPENAME


async def test_larger_variables_are_refused(rest: RestSide) -> None:
    """Variables of one byte more are refused, with their size and the limit."""
    async with gateway_over(rest, max_variables_bytes=27) as gateway:
        answer = await post_variables(gateway, {"a": "ø" * 10})

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables have 28 bytes; at most 27 are accepted.",
    )


@pytest.mark.parametrize(
    "values",
    [[1] * 1_988, [{}] * 198 + [1] * 8, [[]] * 1_988, [{"a": {"b": [1]}}] * 90],
    ids=["numbers", "objects", "lists", "nested objects"],
)
async def test_variables_may_have_many_values(gateway: Gateway, values: list[Any]) -> None:
    """Variables may have 2000 values, where each object counts as ten."""
    assert (await post_variables(gateway, {"a": values})).json() == TYPENAME


@pytest.mark.parametrize(
    "values",
    [[1] * 1_990, [{}] * 199, [{"a": {"b": [1]}}] * 91, [[{}] * 20] * 20],
    ids=["numbers", "objects", "nested objects", "lists of objects"],
)
async def test_variables_with_too_many_values_are_refused(
    gateway: Gateway, values: list[Any]
) -> None:
    """Variables with more than 2000 values are refused."""
    answer = await post_variables(gateway, {"a": values})

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables have too many values: at most 2000 are accepted, and an object counts as "
        "10.",
    )


@pytest.mark.parametrize(("places", "is_refused"), [(5, False), (6, True), (900, True)])
async def test_values_are_counted_at_each_place_in_a_list(
    gateway: Gateway, places: int, is_refused: bool
) -> None:
    """At each place of a variable in a list or an object, all of its values are copied."""
    query = "query ($f: ChatSessionFilter!) { chatSessions(filter: {or: [%s]}) { id } }"
    variables: Any = {"f": {"or": [{}] * 197}}  # 1,981, with the object and the list around
    answer = await post_json(gateway, {"query": query % ("$f " * places), "variables": variables})

    assert (answer.status_code == 400) is is_refused
    assert (f"uses them in {places} places in lists" in answer.text) is is_refused


async def test_only_the_values_that_are_copied_count(gateway: Gateway) -> None:
    """A page may have a long list in one place, and many short variables in filters."""
    names = [f"s{number}" for number in range(40)]
    query = (
        f"query ($ids: [ID!]!, {', '.join(f'${name}: String' for name in names)}) "
        f"{{ a: chatSessions(filter: {{or: [{' '.join(f'{{search: ${n}}}' for n in names)}]}}) "
        "{ id } nodes(ids: $ids) { id } }"
    )
    variables: Any = {"ids": ["x"] * 1_900, **dict.fromkeys(names, "x")}
    answer = await post_json(gateway, {"query": query, "variables": variables})

    assert answer.status_code == 200
    assert answer.json()["data"]["a"] is not None


CREDENTIALS_IN_URL = [
    "access_token",
    "Authorization",
    "bearer",
    "password",
    "SO-AppToken",
    "SOTicket",
    "ticket",
    "token",
    "TOKEN",
    "X-XSRF-TOKEN",
    "XSRF-TOKEN",
    "xsrf_token",
]


@pytest.mark.parametrize("name", CREDENTIALS_IN_URL)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_credentials_in_a_url_are_refused(gateway: Gateway, method: str, name: str) -> None:
    """Credentials in a URL are refused, with the reason and without the secret."""
    answer = await gateway.http.request(
        method, "/graphql", params={name: "s3cret", "query": "{ __typename }"}
    )

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        f"`{name}` must not be in the URL: URLs are logged and remembered. Send credentials as "
        "headers, or in the payload of connection_init.",
    )
    assert "s3cret" not in answer.text


async def test_a_body_that_arrived_with_its_head_is_limited() -> None:
    """A body that arrived together with its head is measured by its bytes."""
    inbound = Inbound(RequestHead(RequestError("no caller")), b"id", b"x" * 11)
    scope = {"type": "http", "headers": [], "gateway.inbound": inbound}

    with pytest.raises(BodyTooLargeError):
        await read_body(Request(scope), max_bytes=10)

    assert await read_body(Request(scope), max_bytes=11) == b"x" * 11


async def test_a_url_with_many_parameters_is_refused(gateway: Gateway) -> None:
    """A URL with more than 100 parameters is refused before they are parsed."""
    answer = await gateway.http.get(f"/graphql?query={{__typename}}{'&a=b' * 100}")

    assert answer.status_code == 400
    assert first_error(answer)[1] == "The URL has more than 100 parameters."


async def test_incomplete_bodies_are_limited_in_total(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit for incomplete bodies, a large one gets 503 and a small one is read."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 100_000)

    async def chunks(size: int) -> AsyncIterator[bytes]:
        yield b'{"query": "{ __typename }"}'
        for _ in range(size // 1_000):
            yield b" " * 1_000

    async with gateway_over(rest) as gateway:
        headers = {"Content-Type": "application/json"}
        answers = [
            await gateway.http.post("/graphql", content=chunks(size), headers=headers)
            for size in (10_000, 40_000, 60_000, 40_000)
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
    assert answers[2].headers["retry-after"] == "1"
    assert not receiving.IncompleteBytes.held


def test_a_caller_may_hold_as_many_incomplete_bodies_as_are_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unauthenticated clients, who are one caller, leave room for the bodies of users."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 100_000)
    shares = ["", "", "kari", "ola", "ola"]
    bodies = [receiving.IncompleteBytes() for _ in shares]

    sizes = [45_000, 10_000, 25_000, 12_000, 12_000]
    accepted = []
    for body, size, share in zip(bodies, sizes, shares, strict=True):
        accepted.append(body.hold(size, share))
        if not accepted[-1]:
            body.hold(0)
    assert accepted == [True, False, True, True, False]
    for body in bodies:
        body.hold(0)
    assert not receiving.IncompleteBytes.held
