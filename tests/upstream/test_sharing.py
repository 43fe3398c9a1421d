"""Who causes a REST call and who shares one."""

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
    waits_for,
)
from tests.waiting import until

pytestmark = pytest.mark.socket


@pytest.fixture
async def rest() -> AsyncIterator[FaultyRest]:
    """Return a REST side that is well until it is told otherwise."""
    async with faulty_rest() as running:
        yield running


@pytest.fixture
async def gateway(rest: FaultyRest) -> AsyncIterator[Gateway]:
    """Return a gateway over `rest`."""
    async with gateway_to(rest.url) as running:
        yield running


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic"}, {"Cookie": "id=1"}])
async def test_without_credentials_rest_is_not_called(
    headers: dict[str, str], rest: FaultyRest, gateway: Gateway
) -> None:
    """The gateway says so itself, with a challenge and without an upstream status."""
    seen = await gateway.post(QUERY, headers={**headers, "Accept": GRAPHQL_JSON})

    [error] = seen.json()["errors"]
    assert seen.status_code == 401
    assert "www-authenticate" in seen.headers
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["path"] == ["chatSessions"]
    assert rest.connections == 0


async def test_without_credentials_plain_json_is_a_200_with_the_code(gateway: Gateway) -> None:
    """As for every other field error."""
    seen = await gateway.post(QUERY, headers={})

    assert seen.status_code == 200
    assert seen.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_fifty_equal_questions_at_once_cost_one_call(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """All of them get its data."""
    asked_all = asyncio.Event()
    rest.play(waits_for(asked_all, answer()))
    questions = [asyncio.create_task(ask(gateway)) for _ in range(50)]
    await until(lambda: rest.calls > 0)
    asked_all.set()
    seen = await asyncio.gather(*questions)

    assert [one.json() for one in seen] == [{"data": DATA}] * 50
    assert rest.calls == 1


async def test_fifty_equal_questions_at_once_cost_one_call_that_fails(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """Nobody tries again on their own."""
    asked_all = asyncio.Event()
    rest.play(answer(), waits_for(asked_all, answer(status="500 Oops")))
    await ask(gateway, user="who makes the query known: a new one is parsed in turns")
    questions = [asyncio.create_task(ask(gateway)) for _ in range(50)]
    await until(lambda: rest.calls > 1)
    asked_all.set()
    seen = await asyncio.gather(*questions)

    codes = {one.json()["errors"][0]["extensions"]["code"] for one in seen}
    assert codes == {"UPSTREAM_ERROR"}
    assert rest.calls == 2


async def test_different_users_cost_a_call_each(rest: FaultyRest, gateway: Gateway) -> None:
    """What one of them may see is nothing to the others."""
    seen = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in range(5)))

    assert [one.json() for one in seen] == [{"data": DATA}] * 5
    assert rest.calls == 5


async def test_a_client_who_hangs_up_leaves_the_call_to_the_others(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """It is the one who started it that goes."""
    first_is_gone = asyncio.Event()
    rest.play(waits_for(first_is_gone, answer()))
    first = asyncio.create_task(ask(gateway))
    await until(lambda: rest.calls == 1)
    others = [asyncio.create_task(ask(gateway)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    first_is_gone.set()
    seen = await asyncio.gather(*others)

    assert first.cancelled()
    assert [one.json() for one in seen] == [{"data": DATA}] * 5
    assert rest.calls == 1


async def test_an_answer_that_nobody_waits_for_is_kept_all_the_same(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """Whoever comes back finds it."""
    everybody_is_gone = asyncio.Event()
    rest.play(waits_for(everybody_is_gone, answer()))
    question = asyncio.create_task(ask(gateway))
    await until(lambda: rest.calls == 1)
    question.cancel()
    await asyncio.wait([question])
    everybody_is_gone.set()
    seen = await ask(gateway)

    assert seen.json() == {"data": DATA}
    assert rest.calls == 1


@pytest.mark.parametrize("surplus", [answer(b'[{"ChatSessionId": 666}]'), b"HTTP/1.1 200"])
async def test_what_rest_sends_too_much_is_never_the_next_callers_answer(
    surplus: bytes, rest: FaultyRest, gateway: Gateway
) -> None:
    """An answer nobody asked for belongs to nobody."""
    rest.play(answer() + surplus, answer())

    first = await ask(gateway, user="1")
    second = await ask(gateway, user="2")

    assert (first.json(), second.json()) == ({"data": DATA}, {"data": DATA})


async def test_credentials_reach_rest_byte_for_byte(rest: FaultyRest, gateway: Gateway) -> None:
    """Also those whose bytes are no ASCII, and also on the wire."""
    cookie = 'ASP.NET_SessionId=å; x="a, b"'
    body = {"query": QUERY}

    await gateway.http.post(
        "/graphql", json=body, headers=[(b"cookie", cookie.encode()), (b"x-xsrf-token", b"T:/+= ~")]
    )

    [request] = rest.requests
    assert b"\r\ncookie: " + cookie.encode() + b"\r\n" in request.replace(b"Cookie:", b"cookie:")
    assert b"x-xsrf-token: T:/+= ~\r\n" in request
