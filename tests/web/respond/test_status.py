"""The HTTP status of a GraphQL answer."""

from typing import Any

import httpx
import pytest

from gateway.web.respond.errors import headers_and_status
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over

QUERY = "{ chatSessions { chatSessionId } }"
TWO = "{ one: chatSessions { chatSessionId } two: chatSession(chatSessionId: 1) { topicId } }"
JSON = {"Accept": "application/json"}
GRAPHQL_JSON = {"Accept": "application/graphql-response+json"}
CHALLENGE = 'Bearer realm="SuperOffice", SoTicket realm="SuperOffice"'

# the answer of REST, then the code, status and headers that the client gets
FAILURES: list[tuple[httpx.Response | Exception, str, int, dict[str, str]]] = [
    (httpx.Response(401), "UNAUTHENTICATED", 401, {"WWW-Authenticate": CHALLENGE}),
    (httpx.Response(403), "FORBIDDEN", 403, {}),
    (httpx.Response(429), "RATE_LIMITED", 429, {}),
    (
        httpx.Response(429, headers={"Retry-After": "7"}),
        "RATE_LIMITED",
        429,
        {"Retry-After": "7"},
    ),
    (httpx.Response(400), "UPSTREAM_ERROR", 502, {}),
    (httpx.Response(500), "UPSTREAM_ERROR", 502, {}),
    (httpx.Response(302, headers={"Location": "/login"}), "UPSTREAM_ERROR", 502, {}),
    (
        httpx.Response(503, headers={"Retry-After": "60"}),
        "UPSTREAM_UNAVAILABLE",
        503,
        {"Retry-After": "60"},
    ),
    (httpx.Response(200, json={}), "UPSTREAM_BAD_RESPONSE", 502, {}),
    (httpx.Response(204), "UPSTREAM_BAD_RESPONSE", 502, {}),
    (TimeoutError(), "UPSTREAM_TIMEOUT", 504, {}),
    (httpx.ConnectError("refused"), "UPSTREAM_UNAVAILABLE", 503, {}),
]
FAILURE_NAMES = ["401", "403", "429", "429 with Retry-After", "400", "500", "302"]
FAILURE_NAMES += ["503", "an object", "204", "a timeout", "no connection"]


def answering(rest: RestSide, outcome: httpx.Response | Exception) -> RestSide:
    """Make a REST API return this response or raise this error."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    rest.answer = answer
    return rest


def status_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers of an answer that belong to its status."""
    names = ("WWW-Authenticate", "Retry-After")
    return {name: response.headers[name] for name in names if name in response.headers}


@pytest.mark.parametrize(
    ("outcome", "code", "status", "headers"),
    FAILURES,
    ids=FAILURE_NAMES,
)
@pytest.mark.parametrize("query", [QUERY, TWO], ids=["one field", "two fields"])
async def test_with_graphql_response_json_the_status_is_the_error(
    rest: RestSide,
    query: str,
    outcome: httpx.Response | Exception,
    code: str,
    status: int,
    headers: dict[str, str],
) -> None:
    """If every root field failed for one reason, the HTTP status shows it."""
    async with gateway_over(answering(rest, outcome), cache_ttl=0) as gateway:
        response = await gateway.post(query, headers={**CREDENTIALS, **GRAPHQL_JSON})

    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert (codes, response.status_code, status_headers(response)) == ({code}, status, headers)


@pytest.mark.parametrize(
    ("outcome", "code", "status", "headers"),
    FAILURES,
    ids=FAILURE_NAMES,
)
async def test_with_json_the_status_is_200(
    rest: RestSide,
    outcome: httpx.Response | Exception,
    code: str,
    status: int,
    headers: dict[str, str],
) -> None:
    """With JSON the status is 200, as older clients expect; the code is the same."""
    async with gateway_over(answering(rest, outcome)) as gateway:
        response = await gateway.post(QUERY, headers={**CREDENTIALS, **JSON})

    (error,) = response.json()["errors"]
    assert (error["extensions"]["code"], response.status_code) == (code, 200)
    assert response.json()["data"] == {"chatSessions": None}
    assert status_headers(response) == {}


@pytest.mark.parametrize(
    ("accept", "status", "headers"),
    [(GRAPHQL_JSON, 401, {"WWW-Authenticate": CHALLENGE}), (JSON, 200, {})],
    ids=["graphql", "json"],
)
async def test_a_request_without_credentials_is_challenged(
    gateway: Gateway, rest: RestSide, accept: dict[str, str], status: int, headers: dict[str, str]
) -> None:
    """The challenge omits Basic, for which a browser would open a login window."""
    response = await gateway.post(QUERY, headers=accept)

    assert (response.status_code, status_headers(response)) == (status, headers)
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert rest.calls == 0


async def test_a_partial_success_gets_200(gateway: Gateway, rest: RestSide) -> None:
    """An unreadable value is null, and the rest of the answer stands."""
    rest.body = [{"ChatSessionId": 1, "TopicId": "four"}]

    response = await gateway.post(
        "{ chatSessions { chatSessionId topicId } }", headers={**CREDENTIALS, **GRAPHQL_JSON}
    )

    assert response.status_code == 200
    assert response.json()["data"] == {"chatSessions": [{"chatSessionId": 1, "topicId": None}]}
    assert response.json()["errors"][0]["path"] == ["chatSessions", 0, "topicId"]


@pytest.mark.parametrize("query", ["{", "{ nope }"])
@pytest.mark.parametrize(
    ("accept", "status"), [(GRAPHQL_JSON, 400), (JSON, 200)], ids=["graphql", "json"]
)
async def test_an_invalid_query_has_no_data(
    gateway: Gateway, query: str, accept: dict[str, str], status: int
) -> None:
    """An invalid query gets errors and no `data` (GraphQL spec, section 7.1)."""
    response = await gateway.post(query, headers={**CREDENTIALS, **accept})

    assert list(response.json()) == ["errors"]
    assert response.status_code == status


def failure(code: str, field: str = "a") -> dict[str, Any]:
    """Return an error of an answer."""
    return {"message": "no", "path": [field], "extensions": {"code": code}}


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ({"data": {"a": 1}}, 200),
        ({"data": {"a": 1}, "errors": []}, 200),
        ({"errors": [failure("GRAPHQL_PARSE_FAILED")]}, 400),
        ({"data": {"a": None, "b": None}, "errors": [failure("FORBIDDEN")]}, 200),
        ({"data": {"a": None}, "errors": [failure("FORBIDDEN")]}, 403),
        (
            {
                "data": {"a": None, "b": None},
                "errors": [failure("FORBIDDEN"), failure("FORBIDDEN", "b")],
            },
            403,
        ),
        ({"data": {"a": None, "b": 1}, "errors": [failure("FORBIDDEN")]}, 200),
        ({"data": {"a": None, "b": 0}, "errors": [failure("FORBIDDEN")]}, 200),
        (
            {
                "data": {"a": None, "b": None},
                "errors": [failure("FORBIDDEN"), failure("UPSTREAM_TIMEOUT", "b")],
            },
            200,
        ),
        ({"data": {"a": None}, "errors": [failure("BAD_USER_INPUT")]}, 400),
        ({"data": {"a": None}, "errors": [failure("INTERNAL_SERVER_ERROR")]}, 500),
        ({"data": {"a": None}, "errors": [failure("UNHEARD_OF")]}, 200),
    ],
)
def test_the_status_is_200_unless_all_fields_failed_alike(
    response: dict[str, Any], status: int
) -> None:
    """The status differs from 200 only if every field failed with the same code."""
    assert headers_and_status(response) == ({}, status)
