"""Callers never see each other's data, and equal requests share one REST call."""

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from gateway.upstream.client import PATH
from tests.support import Gateway, RestSide, gateway_over

QUERY = "{ chatSessions { customerName } }"
ALIASES = """{
    one: chatSessions { customerName }
    two: chatSessions { customerName chatSessionId }
    three: chatSession(chatSessionId: 1) { customerName }
}"""

BASIC = {"Authorization": "Basic ZGVtbzpkZW1v"}
SESSION = {"X-XSRF-TOKEN": "token", "Cookie": "id=abc"}
IDENTIFYING = (
    "authorization",
    "x-xsrf-token",
    "cookie",
    "so-apptoken",
    "accept-language",
    "so-language",
    "so-culture",
    "so-timezone",
)


def identity_of(headers: Mapping[str, str]) -> str:
    """Return the headers that identify a caller, as JSON."""
    values = {name.lower(): value for name, value in headers.items()}
    return json.dumps([values.get(name) for name in IDENTIFYING])


def echo(request: httpx.Request) -> httpx.Response:
    """Play a REST API whose one customer is named after the caller's headers."""
    name = identity_of(request.headers)
    return httpx.Response(200, json=[{"ChatSessionId": 1, "CustomerName": name}])


async def answer_for(gateway: Gateway, headers: Mapping[str, str], query: str = QUERY) -> Any:
    """Return one caller's answer, from a task of its own, as a server runs each request."""
    response = await asyncio.create_task(gateway.post(query, headers=headers))
    return response.json()


def answer_with_own_data(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer with only this caller's own data."""
    return {"data": {"chatSessions": [{"customerName": identity_of(headers)}]}}


@pytest.fixture
def rest() -> RestSide:
    """Return a fake REST API that answers callers with their own headers."""
    return RestSide(answer=echo)


NEIGHBOURS = [
    pytest.param(BASIC, {"Authorization": "Basic b3RoZXI6b3RoZXI="}, id="credentials"),
    pytest.param(BASIC, {"Authorization": "basic ZGVtbzpkZW1v"}, id="case of the scheme"),
    pytest.param(BASIC, {"Authorization": "Bearer ZGVtbzpkZW1v"}, id="scheme"),
    pytest.param(BASIC, SESSION, id="kind of credentials"),
    pytest.param(SESSION, {**SESSION, "X-XSRF-TOKEN": "other"}, id="token"),
    pytest.param(SESSION, {**SESSION, "Cookie": "id=abd"}, id="cookie"),
    *(
        pytest.param({**kind, name: "one"}, {**kind, name: "two"}, id=f"{name} {kind_name}")
        for name in ("SO-AppToken", "Accept-Language", "SO-Language", "SO-Culture", "SO-TimeZone")
        for kind_name, kind in (("with basic", BASIC), ("in a session", SESSION))
    ),
]


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
async def test_callers_who_differ_in_one_header_never_share_an_answer(
    gateway: Gateway, rest: RestSide, one: dict[str, str], other: dict[str, str]
) -> None:
    """Each of two such callers gets its own answer, first from SuperOffice, then from the cache."""
    answers = [await answer_for(gateway, headers) for headers in (one, other, one, other)]

    assert answers == [answer_with_own_data(one), answer_with_own_data(other)] * 2
    assert rest.calls == 2


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
async def test_callers_who_differ_in_one_header_never_share_a_rest_call(
    gateway: Gateway, rest: RestSide, one: dict[str, str], other: dict[str, str]
) -> None:
    """Simultaneous requests of such callers are answered by separate REST calls."""
    answers = await asyncio.gather(*(answer_for(gateway, headers) for headers in (one, other) * 5))

    assert answers == [answer_with_own_data(one), answer_with_own_data(other)] * 5
    assert rest.calls == 2


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "Referer", "User-Agent", "X-Request-ID", "traceparent", "Origin", "Cookie"],
)
async def test_headers_that_are_not_forwarded_do_not_change_the_caller(
    gateway: Gateway, rest: RestSide, name: str
) -> None:
    """The same user behind another proxy, page or trace gets the same snapshot."""
    answers = [await answer_for(gateway, {**BASIC, name: value}) for value in ("one", "two")]

    assert answers == [answer_with_own_data(BASIC)] * 2
    assert rest.calls == 1


async def test_superoffice_gets_only_the_callers_headers_of_a_request(
    gateway: Gateway, rest: RestSide
) -> None:
    """A REST call has the caller's headers, a request id, and the gateway's own headers."""
    noise = {"Referer": "https://page.invalid/", "X-Forwarded-For": "192.0.2.1", "Cookie": "a=b"}

    await answer_for(gateway, {**BASIC, **noise, "Accept": "text/html, application/json"})

    (request,) = rest.requests
    assert request.headers["accept"] == "application/json"
    assert request.url.path == PATH
    assert set(request.headers) == {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "cache-control",
        "authorization",
        "x-request-id",
    }


@pytest.mark.parametrize("cache_ttl", [60, 0])
async def test_fifty_callers_at_once_see_only_their_own_data(cache_ttl: float) -> None:
    """Neither the order of the requests nor that of the REST answers mixes up callers."""
    order = random.Random(20260921)

    async def slow_echo(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(order.uniform(0, 0.02))
        return echo(request)

    rest = RestSide(answer=slow_echo)
    callers = [{**BASIC, "SO-Language": f"l{n}"} for n in range(10)]
    callers += [{"Authorization": f"Bearer {n}"} for n in range(20)]
    callers += [{**SESSION, "Cookie": f"id={n}"} for n in range(10)]
    callers += [{**SESSION, "X-XSRF-TOKEN": f"t{n}"} for n in range(10)]
    rounds = 4
    requests = callers * rounds
    order.shuffle(requests)

    async with gateway_over(rest, cache_ttl=cache_ttl) as gateway:

        async def ask(headers: dict[str, str]) -> Any:
            await asyncio.sleep(order.uniform(0, 0.05))
            return await answer_for(gateway, headers, ALIASES)

        answers = await asyncio.gather(*(ask(headers) for headers in requests))

    for headers, answer in zip(requests, answers, strict=True):
        identity = identity_of(headers)
        assert answer == {
            "data": {
                "one": [{"customerName": identity}],
                "two": [{"customerName": identity, "chatSessionId": 1}],
                "three": {"customerName": identity},
            }
        }
    most = len(callers) if cache_ttl else len(requests)
    assert len(callers) <= rest.calls <= most


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": SESSION["Cookie"]},
        {"X-XSRF-TOKEN": SESSION["X-XSRF-TOKEN"]},
        {"Authorization": ""},
        {"Authorization": "Negotiate YIIabc", **SESSION},
    ],
    ids=["nothing", "cookies alone", "token alone", "empty", "negotiate"],
)
async def test_a_request_without_credentials_gets_no_data_of_the_last_caller(
    gateway: Gateway, rest: RestSide, headers: dict[str, str]
) -> None:
    """After an authenticated request, one without credentials gets an error and no REST call."""
    await answer_for(gateway, SESSION)

    answer = await answer_for(gateway, headers)

    assert answer["data"] == {"chatSessions": None}
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert answer["errors"][0]["path"] == ["chatSessions"]
    assert rest.calls == 1


async def test_a_cookie_that_superoffice_sets_is_dropped(gateway: Gateway, rest: RestSide) -> None:
    """Neither later REST calls, of any caller, nor the client get the cookie."""
    rest.answer = lambda request: httpx.Response(200, json=[], headers={"Set-Cookie": "id=kari"})

    first = await gateway.post(QUERY, headers=BASIC)
    await gateway.post(QUERY, headers={"Authorization": "Basic b3RoZXI="})

    assert "set-cookie" not in first.headers
    assert [request.headers.get("cookie") for request in rest.requests] == [None, None]


async def test_a_caller_refused_by_superoffice_gets_no_cached_data(rest: RestSide) -> None:
    """With `cache_ttl` 0, a caller sees a 401 from the moment SuperOffice sends it."""
    async with gateway_over(rest, cache_ttl=0) as gateway:
        before = await answer_for(gateway, BASIC)
        rest.answer = lambda request: httpx.Response(401)
        after = [await answer_for(gateway, BASIC) for _ in range(2)]

    assert before == answer_with_own_data(BASIC)
    assert [answer["data"] for answer in after] == [{"chatSessions": None}] * 2
    assert rest.calls == 2  # a 401 is cached for some seconds


async def test_twenty_aliases_are_one_rest_call(rest: RestSide) -> None:
    """All occurrences of the field in one request share a snapshot."""
    aliases = " ".join(f"a{n}: chatSessions {{ customerName }}" for n in range(20))

    async with gateway_over(rest) as gateway:
        answer = await answer_for(gateway, BASIC, f"{{ {aliases} }}")

    own_data = [{"customerName": identity_of(BASIC)}]
    assert answer == {"data": {f"a{n}": own_data for n in range(20)}}
    assert rest.calls == 1


async def test_a_hundred_requests_at_once_are_one_rest_call(
    gateway: Gateway, rest: RestSide
) -> None:
    """A page that all users open at nine does not multiply SuperOffice's load."""
    answers = await asyncio.gather(*(answer_for(gateway, BASIC) for _ in range(100)))

    assert answers == [answer_with_own_data(BASIC)] * 100
    assert rest.calls == 1


async def test_a_disconnected_client_does_not_cancel_equal_requests(rest: RestSide) -> None:
    """The first of several equal requests is cancelled; its REST call answers the others."""
    called, may_answer = asyncio.Event(), asyncio.Event()

    async def slow_echo(request: httpx.Request) -> httpx.Response:
        called.set()
        await may_answer.wait()
        return echo(request)

    rest.answer = slow_echo
    async with gateway_over(rest) as gateway:
        first = asyncio.create_task(answer_for(gateway, BASIC))
        await called.wait()
        others = [asyncio.create_task(answer_for(gateway, BASIC)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        may_answer.set()
        answers = await asyncio.gather(*others)

    assert answers == [answer_with_own_data(BASIC)] * 3
    assert rest.calls == 1


async def test_the_configured_application_token_reaches_superoffice(rest: RestSide) -> None:
    """The token is added for callers without one; a caller's own token replaces it."""
    async with gateway_over(rest, app_token="ours") as gateway:
        answers = [
            await answer_for(gateway, BASIC),
            await answer_for(gateway, {**BASIC, "SO-AppToken": "theirs"}),
        ]

    assert answers == [
        answer_with_own_data({**BASIC, "SO-AppToken": "ours"}),
        answer_with_own_data({**BASIC, "SO-AppToken": "theirs"}),
    ]


async def test_only_named_cookies_reach_superoffice(rest: RestSide) -> None:
    """Two browsers that differ only in another cookie are the same caller."""
    async with gateway_over(rest, forward_cookies="id, other") as gateway:
        answers = [
            await answer_for(gateway, {**SESSION, "Cookie": f"id=abc; theme={theme}"})
            for theme in ("dark", "light")
        ]

    assert answers == [answer_with_own_data(SESSION)] * 2
    assert rest.calls == 1
