"""A whole gateway with hostile callers: wrong tokens and one noisy caller do not affect others."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.store.shared_rate import SharedRate
from tests.support import SESSION, Gateway, RestSide, gateway_over
from tests.waiting import until

QUERY = "{ chatSessions { customerName } }"
DATA = {"data": {"chatSessions": [{"customerName": "Ada"}]}}
GRAPHQL_JSON = "application/graphql-response+json"


def bearer(token: str, language: str = "en") -> dict[str, str]:
    """Return the headers of a caller."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept-Language": language,
        "Accept": GRAPHQL_JSON,
    }


async def ask_all(gateway: Gateway, callers: list[dict[str, str]]) -> list[httpx.Response]:
    """Send the query as all of these callers at once."""
    return await asyncio.gather(*(gateway.post(QUERY, headers=headers) for headers in callers))


def rest_with(hostile: Any) -> RestSide:
    """Play a REST API that answers legitimate callers, and calls `hostile` for others."""
    rest = RestSide()

    async def answer(request: httpx.Request) -> httpx.Response:
        if not request.headers["authorization"].startswith("Bearer legitimate"):
            refused: httpx.Response = await hostile()
            return refused
        return httpx.Response(200, json=[SESSION])

    rest.answer = answer
    return rest


async def all_are_in_the_queue() -> None:
    """Let each request get as far as it can, in many more iterations than it takes."""
    for _ in range(3_000):
        await asyncio.sleep(0)


async def test_wrong_tokens_do_not_delay_a_legitimate_caller() -> None:
    """A caller that was accepted is served at once, a new one with the next free slot."""
    may_end = asyncio.Event()

    async def refuse() -> httpx.Response:
        await may_end.wait()
        return httpx.Response(401)

    rest = rest_with(refuse)
    async with gateway_over(rest) as gateway:
        await ask_all(gateway, [bearer("legitimate")])
        wrong = asyncio.create_task(ask_all(gateway, [bearer(f"wrong{n}") for n in range(330)]))
        await until(lambda: rest.calls == 1 + 56)
        await all_are_in_the_queue()
        served = await ask_all(gateway, [bearer("legitimate"), bearer("legitimate", "sv")])
        calls = rest.calls
        newcomer = asyncio.create_task(ask_all(gateway, [bearer("legitimate too")]))
        await all_are_in_the_queue()
        may_end.set()
        served += await newcomer
        codes = {one.json()["errors"][0]["extensions"]["code"] for one in await wrong}

    assert [one.json() for one in served] == [DATA] * 3
    assert calls == 1 + 56 + 1
    assert rest.requests[calls].headers["authorization"] == "Bearer legitimate too"
    assert codes == {"UNAUTHENTICATED", "UPSTREAM_UNAVAILABLE"}


async def test_the_languages_of_one_caller_open_no_breaker() -> None:
    """Failing calls of one caller in many languages do not open the breaker."""

    async def fail() -> httpx.Response:
        raise httpx.ReadTimeout("gone")

    async with gateway_over(rest_with(fail), breaker_failures=3) as gateway:
        await ask_all(gateway, [bearer("noisy", f"en-{n}") for n in range(20)])
        [served] = await ask_all(gateway, [bearer("legitimate")])

    assert served.json() == DATA


async def test_the_languages_of_one_caller_evict_no_other() -> None:
    """One caller's snapshots in many languages do not evict those of others."""

    async def answer_much() -> httpx.Response:
        return httpx.Response(200, json=[{**SESSION, "ChatSessionId": n} for n in range(1, 201)])

    rest = rest_with(answer_much)
    legitimate = [bearer(f"legitimate{n}") for n in range(20)]
    async with gateway_over(rest, cache_max_bytes="1MiB", cache_ttl=120) as gateway:
        await ask_all(gateway, legitimate)
        await ask_all(gateway, [bearer("noisy", f"en-{n}") for n in range(60)])
        calls = rest.calls
        served = await ask_all(gateway, legitimate)

    assert [one.json() for one in served] == [DATA] * 20
    assert rest.calls == calls == 80


async def test_a_wrong_password_costs_one_call() -> None:
    """Any number of requests with a wrong password cost one REST call."""

    async def refuse() -> httpx.Response:
        return httpx.Response(401)

    rest = rest_with(refuse)
    async with gateway_over(rest) as gateway:
        wrong = [bearer("wrong"), {**bearer("wrong"), "Cache-Control": "no-cache"}] * 25
        answers = await ask_all(gateway, wrong) + await ask_all(gateway, wrong)

    assert {one.status_code for one in answers} == {401}
    assert rest.calls == 1


@pytest.mark.parametrize("cache_control", ["no-cache", "max-age=0", "no-store"])
async def test_requests_for_fresh_answers_share_calls(
    cache_control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simultaneous requests for fresh answers share one call for each language."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 60)
    rest = RestSide()
    fresh = [{**bearer("one", f"en-{n}"), "Cache-Control": cache_control} for n in range(20)]
    async with gateway_over(rest) as gateway:
        answers = await ask_all(gateway, fresh * 3)

    assert [one.json() for one in answers] == [DATA] * 60
    assert rest.calls == 20


async def test_a_caller_past_its_rate_gets_429() -> None:
    """A caller past its rate, in all languages together, gets 429 with the time to wait."""
    rest = RestSide()
    async with gateway_over(rest, caller_rate=1) as gateway:
        callers = [bearer("one"), bearer("one", "sv"), bearer("two")]
        first, second, other = await ask_all(gateway, callers)

    assert (first.json(), other.json(), second.status_code) == (DATA, DATA, 429)
    assert second.headers["retry-after"] == "1"
    assert second.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}


async def test_past_the_rate_of_calls_stale_answers_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Past the rate of REST calls, callers get stale answers, or 429 if there are none."""
    rest = RestSide()
    async with gateway_over(rest, upstream_rate=9, cache_ttl=0.01, stale_if_error=60) as gateway:
        await ask_all(gateway, [bearer("one")])
        await asyncio.sleep(0.02)

        async def used_up(self: SharedRate, longest_s: float) -> float:
            return 60

        monkeypatch.setattr(SharedRate, "reserve", used_up)
        stale, refused = await ask_all(gateway, [bearer("one"), bearer("two")])

    assert (stale.status_code, stale.json()["data"]) == (200, DATA["data"])
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert rest.calls == 1
