"""REST calls that requests share."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support import Gateway
from tests.upstream.faulty import (
    DATA,
    GRAPHQL_JSON,
    QUERY,
    FaultyRest,
    answer,
    ask,
    faulty_rest,
    gateway_to,
    sends_in_parts,
    waits_for,
)
from tests.waiting import until

pytestmark = pytest.mark.socket


@pytest.fixture
async def rest() -> AsyncIterator[FaultyRest]:
    """Return a REST API that answers normally until a test changes it."""
    async with faulty_rest() as running:
        yield running


@pytest.fixture
async def gateway(rest: FaultyRest) -> AsyncIterator[Gateway]:
    """Return a gateway over `rest`."""
    async with gateway_to(rest.url) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic"}, {"Cookie": "id=1"}],
    ids=["no headers", "an incomplete header", "a cookie"],
)
async def test_without_credentials_rest_is_not_called(
    headers: dict[str, str], rest: FaultyRest, gateway: Gateway
) -> None:
    """Without credentials the gateway itself answers 401 with a challenge."""
    response = await gateway.post(QUERY, headers={**headers, "Accept": GRAPHQL_JSON})

    [error] = response.json()["errors"]
    assert response.status_code == 401
    assert "www-authenticate" in response.headers
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["path"] == ["chatSessions"]
    assert rest.connections == 0


async def test_without_credentials_json_gets_200_with_the_code(gateway: Gateway) -> None:
    """Missing credentials are a field error, which has status 200 in JSON."""
    response = await gateway.post(QUERY, headers={})

    assert response.status_code == 200
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_fifty_equal_requests_at_once_cost_one_call(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """Fifty equal requests at once share the data of one REST call."""
    may_answer = asyncio.Event()
    rest.play(waits_for(may_answer, answer()))
    requests = [asyncio.create_task(ask(gateway)) for _ in range(50)]
    await until(lambda: rest.calls > 0)
    may_answer.set()
    responses = await asyncio.gather(*requests)

    assert [one.json() for one in responses] == [{"data": DATA}] * 50
    assert rest.calls == 1


async def test_fifty_equal_requests_at_once_share_one_failed_call(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """Fifty equal requests at once share the error of one REST call."""
    may_answer = asyncio.Event()
    rest.play(answer(), waits_for(may_answer, answer(status="500 Oops")))
    await ask(gateway, user="first: a new query is parsed in several turns")
    requests = [asyncio.create_task(ask(gateway)) for _ in range(50)]
    await until(lambda: rest.calls > 1)
    may_answer.set()
    responses = await asyncio.gather(*requests)

    codes = {one.json()["errors"][0]["extensions"]["code"] for one in responses}
    assert codes == {"UPSTREAM_ERROR"}
    assert rest.calls == 2


async def test_different_users_cost_a_call_each(rest: FaultyRest, gateway: Gateway) -> None:
    """Different users, who may see different sessions, cost one call each."""
    responses = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in range(5)))

    assert [one.json() for one in responses] == [{"data": DATA}] * 5
    assert rest.calls == 5


async def test_a_cancelled_request_leaves_its_call_to_others(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """The call continues if the request that started it is cancelled."""
    may_answer = asyncio.Event()
    rest.play(waits_for(may_answer, answer()))
    first = asyncio.create_task(ask(gateway))
    await until(lambda: rest.calls == 1)
    others = [asyncio.create_task(ask(gateway)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    may_answer.set()
    responses = await asyncio.gather(*others)

    assert first.cancelled()
    assert [one.json() for one in responses] == [{"data": DATA}] * 5
    assert rest.calls == 1


async def test_an_answer_without_a_waiting_request_is_cached(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """The answer is cached although its only request was cancelled."""
    may_answer = asyncio.Event()
    rest.play(waits_for(may_answer, answer()))
    request = asyncio.create_task(ask(gateway))
    await until(lambda: rest.calls == 1)
    request.cancel()
    await asyncio.wait([request])
    may_answer.set()
    response = await ask(gateway)

    assert response.json() == {"data": DATA}
    assert rest.calls == 1


@pytest.mark.parametrize("surplus", [answer(b'[{"ChatSessionId": 666}]'), b"HTTP/1.1 200"])
async def test_surplus_bytes_are_never_the_next_callers_answer(
    surplus: bytes, rest: FaultyRest, gateway: Gateway
) -> None:
    """Surplus bytes after an answer are not taken for the next caller's answer."""
    rest.play(answer() + surplus, answer())

    first = await ask(gateway, user="1")
    second = await ask(gateway, user="2")

    assert (first.json(), second.json()) == ({"data": DATA}, {"data": DATA})


@pytest.mark.parametrize(
    "surplus", [answer(b'[{"ChatSessionId": 666}]'), answer(status="408 Request Timeout")]
)
async def test_an_answer_that_comes_while_a_connection_is_idle_is_nobodys(
    surplus: bytes, rest: FaultyRest, gateway: Gateway
) -> None:
    """A connection that has received anything between two calls is not used again."""
    rest.play(sends_in_parts(answer(), surplus), answer())

    first = await ask(gateway, user="1")
    await asyncio.sleep(0.1)
    second = await ask(gateway, user="2")

    assert (first.json(), second.json()) == ({"data": DATA}, {"data": DATA})
    assert rest.connections == 2


async def test_credentials_reach_rest_byte_for_byte(rest: FaultyRest, gateway: Gateway) -> None:
    """Credentials reach REST byte for byte, also if they are not ASCII."""
    cookie = 'ASP.NET_SessionId=å; x="a, b"'
    body = {"query": QUERY}

    await gateway.http.post(
        "/graphql", json=body, headers=[(b"cookie", cookie.encode()), (b"x-xsrf-token", b"T:/+= ~")]
    )

    [request] = rest.requests
    assert b"\r\ncookie: " + cookie.encode() + b"\r\n" in request.replace(b"Cookie:", b"cookie:")
    assert b"x-xsrf-token: T:/+= ~\r\n" in request
