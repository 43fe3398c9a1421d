"""Nobody ever sees what belongs to somebody else, and equal questions cost one REST call."""

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


def what_rest_saw(headers: Mapping[str, str]) -> str:
    """Write down everything that tells one caller from another."""
    found = {name.lower(): value for name, value in headers.items()}
    return json.dumps([found.get(name) for name in IDENTIFYING])


def echo(request: httpx.Request) -> httpx.Response:
    """Play a REST side whose one customer is called what the caller sent."""
    name = what_rest_saw(request.headers)
    return httpx.Response(200, json=[{"ChatSessionId": 1, "CustomerName": name}])


async def answer_for(gateway: Gateway, headers: Mapping[str, str], query: str = QUERY) -> Any:
    """Return what one caller is told, in a task of its own, as a server runs each request."""
    response = await asyncio.create_task(gateway.post(query, headers=headers))
    return response.json()


def only(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer that holds nothing but this caller's own data."""
    return {"data": {"chatSessions": [{"customerName": what_rest_saw(headers)}]}}


@pytest.fixture
def rest() -> RestSide:
    """Return a REST side that tells callers what they sent."""
    return RestSide(answer=echo)


NEIGHBOURS = [
    pytest.param(BASIC, {"Authorization": "Basic b3RoZXI6b3RoZXI="}, id="credentials"),
    pytest.param(BASIC, {"Authorization": "basic ZGVtbzpkZW1v"}, id="scheme's case"),
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
    """Each of two such callers gets its own, from REST and then from the cache."""
    answers = [await answer_for(gateway, who) for who in (one, other, one, other)]

    assert answers == [only(one), only(other)] * 2
    assert rest.calls == 2


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
async def test_callers_who_differ_in_one_header_never_share_a_flight(
    gateway: Gateway, rest: RestSide, one: dict[str, str], other: dict[str, str]
) -> None:
    """Asking at the same moment mixes nothing up either."""
    answers = await asyncio.gather(*(answer_for(gateway, who) for who in (one, other) * 5))

    assert answers == [only(one), only(other)] * 5
    assert rest.calls == 2


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "Referer", "User-Agent", "X-Request-ID", "traceparent", "Origin", "Cookie"],
)
async def test_headers_that_rest_never_sees_make_no_other_caller(
    gateway: Gateway, rest: RestSide, name: str
) -> None:
    """The same user behind another proxy, page or trace finds the same snapshot."""
    answers = [await answer_for(gateway, {**BASIC, name: value}) for value in ("one", "two")]

    assert answers == [only(BASIC)] * 2
    assert rest.calls == 1


async def test_rest_gets_nothing_of_the_client_but_the_caller(
    gateway: Gateway, rest: RestSide
) -> None:
    """What arrives at REST is the caller, a request id, and what the gateway says of itself."""
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
        "authorization",
        "x-request-id",
    }


@pytest.mark.parametrize("cache_ttl", [60, 0])
async def test_fifty_callers_at_once_only_ever_see_their_own(cache_ttl: float) -> None:
    """Whoever starts first and whichever answer of REST comes first, nothing is mixed up."""
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
    asked = callers * rounds
    order.shuffle(asked)

    async with gateway_over(rest, cache_ttl=cache_ttl) as gateway:

        async def ask(headers: dict[str, str]) -> Any:
            await asyncio.sleep(order.uniform(0, 0.05))
            return await answer_for(gateway, headers, ALIASES)

        answers = await asyncio.gather(*(ask(headers) for headers in asked))

    for headers, answer in zip(asked, answers, strict=True):
        mine = what_rest_saw(headers)
        assert answer == {
            "data": {
                "one": [{"customerName": mine}],
                "two": [{"customerName": mine, "chatSessionId": 1}],
                "three": {"customerName": mine},
            }
        }
    most = len(callers) if cache_ttl else len(asked)
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
async def test_without_credentials_nothing_of_the_last_caller_is_seen(
    gateway: Gateway, rest: RestSide, headers: dict[str, str]
) -> None:
    """Right after somebody with a session, somebody without one gets an error and no REST call."""
    await answer_for(gateway, SESSION)

    answer = await answer_for(gateway, headers)

    assert answer["data"] == {"chatSessions": None}
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert answer["errors"][0]["path"] == ["chatSessions"]
    assert rest.calls == 1


async def test_a_cookie_that_rest_sets_goes_to_nobody(gateway: Gateway, rest: RestSide) -> None:
    """It comes back with no later call, the same caller's or another's, and not to the client."""
    rest.answer = lambda request: httpx.Response(200, json=[], headers={"Set-Cookie": "id=kari"})

    first = await gateway.post(QUERY, headers=BASIC)
    await gateway.post(QUERY, headers={"Authorization": "Basic b3RoZXI="})

    assert "set-cookie" not in first.headers
    assert [request.headers.get("cookie") for request in rest.requests] == [None, None]


async def test_a_caller_whom_rest_turns_away_gets_nothing_old(rest: RestSide) -> None:
    """With the cache at its shortest, a 401 is what the caller sees from then on."""
    async with gateway_over(rest, cache_ttl=0) as gateway:
        before = await answer_for(gateway, BASIC)
        rest.answer = lambda request: httpx.Response(401)
        after = [await answer_for(gateway, BASIC) for _ in range(2)]

    assert before == only(BASIC)
    assert [answer["data"] for answer in after] == [{"chatSessions": None}] * 2
    assert rest.calls == 2  # a 401 is remembered for some seconds


async def test_twenty_aliases_are_one_rest_call(rest: RestSide) -> None:
    """However often one request names the field, its caller is asked for once."""
    aliases = " ".join(f"a{n}: chatSessions {{ customerName }}" for n in range(20))

    async with gateway_over(rest) as gateway:
        answer = await answer_for(gateway, BASIC, f"{{ {aliases} }}")

    mine = [{"customerName": what_rest_saw(BASIC)}]
    assert answer == {"data": {f"a{n}": mine for n in range(20)}}
    assert rest.calls == 1


async def test_a_hundred_requests_at_once_are_one_rest_call(
    gateway: Gateway, rest: RestSide
) -> None:
    """A page that everybody opens at nine does not multiply REST's load."""
    answers = await asyncio.gather(*(answer_for(gateway, BASIC) for _ in range(100)))

    assert answers == [only(BASIC)] * 100
    assert rest.calls == 1


async def test_a_client_who_hangs_up_does_not_take_the_others_along(rest: RestSide) -> None:
    """The first of several equal requests is given up; the others are answered by its call."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow_echo(request: httpx.Request) -> httpx.Response:
        asked.set()
        await may_answer.wait()
        return echo(request)

    rest.answer = slow_echo
    async with gateway_over(rest) as gateway:
        first = asyncio.create_task(answer_for(gateway, BASIC))
        await asked.wait()
        others = [asyncio.create_task(answer_for(gateway, BASIC)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        may_answer.set()
        answers = await asyncio.gather(*others)

    assert answers == [only(BASIC)] * 3
    assert rest.calls == 1


async def test_the_configured_application_token_reaches_rest(rest: RestSide) -> None:
    """It is added for callers that send none, and theirs wins where they do."""
    async with gateway_over(rest, app_token="ours") as gateway:
        answers = [
            await answer_for(gateway, BASIC),
            await answer_for(gateway, {**BASIC, "SO-AppToken": "theirs"}),
        ]

    assert answers == [
        only({**BASIC, "SO-AppToken": "ours"}),
        only({**BASIC, "SO-AppToken": "theirs"}),
    ]


async def test_only_named_cookies_reach_rest(rest: RestSide) -> None:
    """Two browsers that differ in another cookie alone are the same caller."""
    async with gateway_over(rest, forward_cookies="id, other") as gateway:
        answers = [
            await answer_for(gateway, {**SESSION, "Cookie": f"id=abc; theme={theme}"})
            for theme in ("dark", "light")
        ]

    assert answers == [only(SESSION)] * 2
    assert rest.calls == 1
