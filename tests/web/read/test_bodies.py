"""What may stand in a request, and how it is refused otherwise."""

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
NO_OBJECT = "A GraphQL request has to be a JSON object."
NO_QUERY = "The request has no `query`."


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_are_refused(gateway: Gateway, method: str) -> None:
    """GET and POST it is, and the answer says so in Allow."""
    answer = await gateway.http.request(method, "/graphql", json={"query": "{ __typename }"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert first_error(answer) == ("BAD_REQUEST", "GraphQL takes GET, POST.")


async def test_head_is_refused(gateway: Gateway) -> None:
    """There is nothing to say about a query without running it."""
    answer = await gateway.http.head("/graphql", params={"query": "{ __typename }"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_mutation_over_get_is_refused(gateway: Gateway) -> None:
    """GET is safe: it only reads."""
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
async def test_json_is_read_however_its_type_is_written(
    gateway: Gateway, content_type: str
) -> None:
    """Media types and the names of charsets have no case."""
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
)
async def test_bodies_of_other_types_are_not_read(
    gateway: Gateway, headers: dict[str, str], message: str
) -> None:
    """It is 415, and says what would be read."""
    answer = await gateway.http.post("/graphql", content=QUERY, headers=headers)

    assert answer.status_code == 415
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_a_body_that_is_not_encoded_may_say_so(gateway: Gateway) -> None:
    """`identity` is no compression."""
    answer = await post_body(gateway, QUERY, content_encoding="Identity")

    assert answer.json() == TYPENAME


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """Give a body without telling its length first."""
    for start in range(0, len(body), 5):
        yield body[start : start + 5]


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_may_be_as_large_as_the_limit(rest: RestSide, is_chunked: bool) -> None:
    """The limit itself is within the limit, by Content-Length and by count."""
    body = in_chunks(QUERY) if is_chunked else QUERY
    async with gateway_over(rest, max_body_bytes=len(QUERY)) as gateway:
        answer = await gateway.http.post(
            "/graphql", content=body, headers={"Content-Type": "application/json"}
        )

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(("is_chunked", "size"), [(False, "27"), (True, "more than 26")])
async def test_a_larger_body_is_refused(rest: RestSide, is_chunked: bool, size: str) -> None:
    """One byte more is 413, by Content-Length or by count."""
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


async def test_a_large_body_is_refused_by_its_own_account(gateway: Gateway) -> None:
    """Not a byte of it is read; a number of any length is no trouble."""
    answer = await post_body(gateway, QUERY, content_length="9" * 5_000)

    assert answer.status_code == 413


async def test_a_length_that_is_no_number_does_not_count(gateway: Gateway) -> None:
    """A superscript two is a digit to Python, and no length."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"\xb2")]
    answer = await gateway.http.post("/graphql", content=QUERY, headers=headers)

    assert answer.json() == TYPENAME


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender who stalls gets 408 when patience is at its end."""
    monkeypatch.setattr(body_module, "_TIMEOUT_S", 0.02)

    async def stalling() -> AsyncIterator[bytes]:
        yield QUERY[:5]
        await asyncio.Event().wait()

    # A task of its own: Python 3.11 stops tracing the coroutines that a time-out went through.
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


async def test_a_sender_who_goes_away_is_not_our_fault() -> None:
    """A request cut short is the client's error, not a bug."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    inbound = Inbound(RequestHead(RequestError("no caller")), b"id")
    scope = {"type": "http", "headers": [], "gateway.inbound": inbound}
    with pytest.raises(BodyTooSlowError, match="went away before its request was complete"):
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
        (b"[" * 100_000, NO_JSON),
        (b'{"a":' * 100_000, NO_JSON),
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
)
async def test_a_body_that_is_no_request_is_refused(
    gateway: Gateway, body: bytes, message: str
) -> None:
    """It is 400 whatever it is, and says what is wrong with it."""
    answer = await post_body(gateway, body)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_null_stands_for_nothing(gateway: Gateway) -> None:
    """Clients may send the parameters they do not need as null."""
    parameters = {"variables": None, "operationName": None, "extensions": None}
    answer = await post_json(gateway, {"query": "{ __typename }", **parameters})

    assert answer.json() == TYPENAME


async def test_variables_go_into_a_url_as_json(gateway: Gateway) -> None:
    """`variables` of a GET is JSON, like in a POST."""
    query = "query ($id: Int!) { chatSession(chatSessionId: $id) { chatSessionId } }"
    answer = await get(gateway, query, variables='{"id": 1}')

    assert answer.json() == {"data": {"chatSession": {"chatSessionId": 1}}}


async def test_empty_parameters_of_a_url_are_none(gateway: Gateway) -> None:
    """Forms and clients send those too."""
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
)
async def test_a_url_that_is_no_request_is_refused(
    gateway: Gateway, parameters: dict[str, str], message: str
) -> None:
    """It is 400, and says which parameter is wrong."""
    params = {"query": "{ __typename }", **parameters}
    answer = await gateway.http.get("/graphql", params=params)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", message)


async def test_a_bare_url_is_refused(gateway: Gateway) -> None:
    """Without a query, and without a person to show the page to, there is nothing to do."""
    answer = await gateway.http.get("/graphql", headers={"Accept": "application/json"})

    assert (answer.status_code, first_error(answer)) == (400, ("BAD_REQUEST", NO_QUERY))


def nested(depth: int) -> dict[str, Any]:
    """Return variables that are so many objects and lists deep."""
    variables: Any = 1
    for level in range(depth - 1):
        variables = [variables] if level % 2 else {"a": variables}
    return {"a": variables}


async def ask_with(gateway: Gateway, variables: dict[str, Any]) -> httpx.Response:
    """Send variables that the query does not use."""
    return await gateway.post("{ __typename }", variables)


async def test_variables_may_be_as_deep_as_the_limit(rest: RestSide) -> None:
    """Lists and objects count; the limit itself is within."""
    async with gateway_over(rest) as gateway:
        assert (await ask_with(gateway, nested(20))).json() == TYPENAME


@pytest.mark.parametrize("depth", [21, 300, 500])
async def test_deeper_variables_are_refused(rest: RestSide, depth: int) -> None:
    """One level more is refused, and so is what JSON can say but not write again."""
    async with gateway_over(rest) as gateway:
        answer = await ask_with(gateway, nested(depth))

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables are nested more than 20 levels deep.",
    )


async def test_variables_may_be_as_large_as_the_limit(rest: RestSide) -> None:
    """Written without spaces, in bytes."""
    variables = {"a": "ø" * 10}
    size = len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode())
    async with gateway_over(rest, max_variables_bytes=size) as gateway:
        assert (await ask_with(gateway, variables)).json() == TYPENAME


async def test_larger_variables_are_refused(rest: RestSide) -> None:
    """One byte more is refused, with the size and the limit."""
    async with gateway_over(rest, max_variables_bytes=27) as gateway:
        answer = await ask_with(gateway, {"a": "ø" * 10})

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables have 28 bytes; at most 27 are accepted.",
    )


@pytest.mark.parametrize(
    "values", [[1] * 1_988, [{}] * 198 + [1] * 8, [[]] * 1_988, [{"a": {"b": [1]}}] * 90]
)
async def test_variables_may_have_many_values(gateway: Gateway, values: list[Any]) -> None:
    """An object weighs ten of them, and so do the variables themselves."""
    assert (await ask_with(gateway, {"a": values})).json() == TYPENAME


@pytest.mark.parametrize(
    "values", [[1] * 1_990, [{}] * 199, [{"a": {"b": [1]}}] * 91, [[{}] * 20] * 20]
)
async def test_variables_with_too_many_values_are_refused(
    gateway: Gateway, values: list[Any]
) -> None:
    """Each field that takes them would look at each of them."""
    answer = await ask_with(gateway, {"a": values})

    assert answer.status_code == 400
    assert first_error(answer) == (
        "BAD_REQUEST",
        "The variables have too many values: at most 2000 are accepted, and an object counts as "
        "10.",
    )


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
    """The answer says why, and does not repeat the secret."""
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


async def test_a_body_that_came_at_once_is_measured_too() -> None:
    """In chunks it has no length of its own account."""
    inbound = Inbound(RequestHead(RequestError("no caller")), b"id", b"x" * 11)
    scope = {"type": "http", "headers": [], "gateway.inbound": inbound}

    with pytest.raises(BodyTooLargeError):
        await read_body(Request(scope), max_bytes=10)

    assert await read_body(Request(scope), max_bytes=11) == b"x" * 11


async def test_a_url_with_many_parameters_is_refused(gateway: Gateway) -> None:
    """They are counted before they are read."""
    answer = await gateway.http.get(f"/graphql?query={{__typename}}{'&a=b' * 100}")

    assert answer.status_code == 400
    assert first_error(answer)[1] == "The URL has more than 100 parameters."


async def test_bodies_that_are_not_complete_are_bounded_in_all(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound a large one is told to come back later; a small one is read."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 50_000)

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
    assert receiving.Share.held_bytes == 0
