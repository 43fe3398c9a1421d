"""The table of headers, row by row: which headers separate cached snapshots and answers."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.headers import HEADERS, KnownHeader, Use, in_one_line
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.tenants.test_online import ONE, OTHER, Online

QUERY = "{ chatSessions { customerName } }"
SESSION = {"Cookie": "id=1", "X-XSRF-TOKEN": "token"}
PAIRS = {
    "Accept": ("application/json", "application/graphql-response+json"),
    "Accept-Encoding": ("identity", "gzip"),
    "Authorization": ("Bearer one", "Bearer two"),
    "Cache-Control": ("max-age=60", "max-age=90"),
    "Content-Encoding": ("identity", "IDENTITY"),
    "Content-Type": ("application/json", "application/json; charset=utf-8"),
    "Cookie": ("id=1", "id=2"),
    "X-Tenant": (ONE, OTHER),
}
"""Two values for each header that does not accept arbitrary ones."""


@contextlib.asynccontextmanager
async def gateway_for(header: KnownHeader, rest: RestSide) -> AsyncIterator[Gateway]:
    """Run a gateway over one SuperOffice, or over several tenants if the header names one."""
    over: Any = Online() if Use.TENANT in header.uses else rest
    settings = {"upstream_url": None, "environment": "sod"} if Use.TENANT in header.uses else {}
    async with gateway_over(over, **settings) as gateway:
        yield gateway


def headers_of_two_requests(header: KnownHeader) -> list[dict[str, str]]:
    """Make the headers of two requests that differ in this one only."""
    base = SESSION if header.name in SESSION else CREDENTIALS
    pair = PAIRS.get(header.name, ("one", "two"))
    return [{**base, header.name: value} for value in pair]


async def cache_status(gateway: Gateway, headers: dict[str, str]) -> str:
    """Send the query and return the answer's Cache-Status."""
    answer: httpx.Response = await gateway.post(QUERY, headers=headers)
    assert "errors" not in answer.json(), answer.text
    return answer.headers["cache-status"]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
async def test_a_header_separates_requests_or_has_a_reason_not_to(
    header: KnownHeader, rest: RestSide, executed: list[str]
) -> None:
    """A header in the key has its own REST call, one that shapes its own execution."""
    async with gateway_for(header, rest) as gateway:
        one, other = headers_of_two_requests(header)
        assert "; hit" not in await cache_status(gateway, one)
        assert "; hit" in await cache_status(gateway, one)
        assert len(executed) == 1

        is_hit = "; hit" in await cache_status(gateway, other)

    is_in_key = bool(header.uses & (Use.FORWARDED | Use.TENANT))
    is_separate = is_in_key or Use.SHAPES in header.uses
    assert is_hit is not is_in_key
    assert len(executed) == (2 if is_separate else 1)
    assert bool(header.shared) is not is_separate


@pytest.mark.parametrize(
    "header",
    [h for h in HEADERS if Use.FORWARDED in h.uses and Use.SHAPES_BY_PRESENCE not in h.uses],
    ids=lambda header: header.name,
)
async def test_an_empty_header_and_none_share_one_answer(
    header: KnownHeader, gateway: Gateway, executed: list[str]
) -> None:
    """An empty value counts as not sent: it separates neither snapshots nor answers."""
    credentials = {**SESSION, **({} if header.name == "Authorization" else CREDENTIALS)}
    await cache_status(gateway, credentials)

    assert "; hit" in await cache_status(gateway, {**credentials, header.name: ""})
    assert len(executed) == 1


async def test_any_language_shares_the_answer_in_the_language_of_the_operator(
    rest: RestSide,
) -> None:
    """`Accept-Language: *` and none cost one REST call, with the configured language."""
    async with gateway_over(rest, accept_language="nb") as gateway:
        assert "; hit" not in await cache_status(gateway, CREDENTIALS)
        assert "; hit" in await cache_status(gateway, {**CREDENTIALS, "Accept-Language": "*"})
        assert "; hit" not in await cache_status(gateway, {**CREDENTIALS, "Accept-Language": "en"})

    languages = [request.headers["accept-language"] for request in rest.requests]
    assert languages == ["nb", "en"]


@pytest.mark.parametrize(
    "header",
    [h for h in HEADERS if Use.SHAPES_BY_PRESENCE in h.uses],
    ids=lambda header: header.name,
)
async def test_a_header_that_shapes_by_presence_separates_requests_by_its_presence(
    header: KnownHeader, gateway: Gateway, executed: list[str]
) -> None:
    """Beside Authorization it is not forwarded, but an answer may depend on its presence."""
    await cache_status(gateway, CREDENTIALS)
    assert "; hit" in await cache_status(gateway, {**CREDENTIALS, header.name: "one"})
    assert len(executed) == 2
    assert "; hit" in await cache_status(gateway, {**CREDENTIALS, header.name: "two"})
    assert len(executed) == 2


async def test_a_header_that_is_not_in_the_table_changes_nothing(
    gateway: Gateway, rest: RestSide, executed: list[str]
) -> None:
    """Requests that differ in other headers share a cached answer; SuperOffice never gets them."""
    await cache_status(gateway, CREDENTIALS)
    assert "; hit" in await cache_status(gateway, {**CREDENTIALS, "X-Forwarded-For": "10.0.0.1"})
    assert len(executed) == rest.calls == 1
    async with gateway_over(rest) as other:
        await cache_status(other, {**CREDENTIALS, "X-Forwarded-For": "10.0.0.1"})
    assert "x-forwarded-for" not in rest.requests[-1].headers


def test_the_names_are_unique_and_sorted() -> None:
    """Two rows of one name could contradict each other."""
    names = [header.name.lower() for header in HEADERS if Use.TENANT not in header.uses]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("Accept", ["application/json;q=0.5", "application/graphql-response+json"]),
        ("Accept-Encoding", ["br;q=0", "gzip"]),
        ("Accept-Language", ["nb", "en;q=0.5"]),
        ("Cache-Control", ["no-transform", "max-age=0"]),
        ("If-None-Match", ['"x"', "*"]),
    ],
    ids=str,
)
async def test_the_lines_of_a_list_header_are_joined(
    rest: RestSide, name: str, lines: list[str]
) -> None:
    """A proxy or client may split a list into several lines (RFC 9110, section 5.3)."""
    answers = []
    for sent in (lines, [", ".join(lines)]):
        async with gateway_over(rest) as gateway:
            headers = [*CREDENTIALS.items(), *((name, line) for line in sent)]
            answer = await gateway.http.get("/graphql", params={"query": QUERY}, headers=headers)
            shaped = [answer.headers.get(n) for n in ("content-type", "content-encoding")]
            language = rest.requests[-1].headers.get("accept-language")
            answers.append([answer.status_code, *shaped, language])

    assert answers[0] == answers[1]
    assert answers[0][0] == (304 if name == "If-None-Match" else 200)


@pytest.mark.parametrize(
    "name", [h.name.lower().encode() for h in HEADERS if Use.LIST not in h.uses], ids=bytes.decode
)
def test_the_lines_of_other_headers_stay_apart(name: bytes) -> None:
    """Two credentials in one value would be another credential."""
    headers = [(name, b"one"), (name, b"two")]

    assert in_one_line(headers) == headers
