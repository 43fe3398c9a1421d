"""When REST is not called: it fails, too many wait for it already, or it asked for a pause."""

import asyncio
import logging

import pytest

from gateway.upstream import client as upstream_client
from tests.support import Gateway
from tests.upstream.faulty import (
    DATA,
    GRAPHQL_JSON,
    FaultyRest,
    answer,
    ask,
    closes,
    faulty_rest,
    gateway_to,
    leaks_in,
    waits_for,
)

pytestmark = pytest.mark.socket


async def ask_all(gateway: Gateway, users: range) -> list[object]:
    """Ask as several users at once; gives the code of each one's error, or its data."""
    seen = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in users))
    answers = [one.json() for one in seen]
    return [
        one["errors"][0]["extensions"]["code"] if "errors" in one else one["data"]
        for one in answers
    ]


async def until_called(rest: FaultyRest, *, times: int = 1) -> None:
    """Wait for so many calls to have come in."""
    async with asyncio.timeout(10):
        while rest.calls < times:  # noqa: ASYNC110  it is the other side of a socket that counts
            await asyncio.sleep(0.01)


async def test_a_rest_side_that_fails_is_left_alone_until_it_is_well_again(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everybody is told so at once; then one call finds out, and all is as before."""
    caplog.set_level(logging.INFO, "gateway")
    async with (
        faulty_rest(closes()) as rest,
        gateway_to(rest.url, breaker_failures=3, breaker_cooldown=3) as gateway,
    ):
        failed = await ask_all(gateway, range(3))
        before = rest.calls
        refused = await ask(gateway, GRAPHQL_JSON, user="3")
        calls_while_open = rest.calls - before
        rest.play(answer())
        await asyncio.sleep(3)
        well = await ask_all(gateway, range(4, 5)) + await ask_all(gateway, range(5, 9))

    assert failed == ["UPSTREAM_UNAVAILABLE"] * 3
    assert refused.status_code == 503
    retry_after_s = int(refused.headers["retry-after"])
    assert 1 <= retry_after_s <= 3
    assert refused.json()["errors"][0]["extensions"] == {
        "code": "UPSTREAM_UNAVAILABLE",
        "retryAfter": retry_after_s,
    }
    assert calls_while_open == 0
    assert well == [DATA] * 5
    lines = [record.getMessage() for record in caplog.records if "breaker" in record.name]
    assert lines == [
        "SuperOffice is not called for 3 seconds: the calls of 3 callers in a row have failed.",
        "SuperOffice answers again.",
    ]
    assert leaks_in(refused.text + caplog.text + "".join(capsys.readouterr())) == []


async def test_one_call_at_a_time_finds_out_whether_rest_is_well_again() -> None:
    """The others do not wait for what comes of it."""
    answered = asyncio.Event()
    async with (
        faulty_rest(closes()) as rest,
        gateway_to(rest.url, breaker_failures=1, breaker_cooldown=0.1) as gateway,
    ):
        await ask(gateway)
        await asyncio.sleep(0.1)
        rest.play(waits_for(answered, answer()))
        probe = asyncio.create_task(ask_all(gateway, range(1)))
        await until_called(rest)
        others = await ask_all(gateway, range(1, 9))
        answered.set()

        assert await probe == [DATA]
    assert others == ["UPSTREAM_UNAVAILABLE"] * 8
    assert rest.calls == 1


async def test_whoever_finds_the_line_full_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those in it are served; nobody waits in vain."""
    monkeypatch.setattr(upstream_client, "CALLS_WAITING", 2)
    answered = asyncio.Event()
    async with (
        faulty_rest(waits_for(answered, answer())) as rest,
        gateway_to(rest.url, upstream_connections=1) as gateway,
    ):
        served = asyncio.create_task(ask_all(gateway, range(3)))
        async with asyncio.timeout(10):
            while "\ngateway_upstream_waiting 2.0" not in (await gateway.http.get("/metrics")).text:  # noqa: ASYNC110  the third is on its way
                await asyncio.sleep(0.01)
        turned_away = await ask(gateway, GRAPHQL_JSON, user="3")
        answered.set()

        assert await served == [DATA] * 3
    assert turned_away.status_code == 503
    assert turned_away.headers["retry-after"] == "1"
    assert "Too many calls wait" in turned_away.json()["errors"][0]["message"]
    assert rest.calls == 3


@pytest.mark.parametrize(
    ("retry_after", "told"),
    [("7", 7), ("86400", 60), ("Fri, 31 Dec 9999 23:59:59 GMT", 60)],
)
async def test_a_caller_that_is_asked_to_slow_down_is_held_off(retry_after: str, told: int) -> None:
    """Not for longer than a minute, whatever REST said, and nobody else with it."""
    too_many = answer(b"", f"Retry-After: {retry_after}", status="429 Too Many Requests")
    async with faulty_rest(too_many) as rest, gateway_to(rest.url) as gateway:
        await ask(gateway, user="1")
        rest.play(answer())
        held = await ask(gateway, GRAPHQL_JSON, user="1")
        calls = rest.calls
        other = await ask(gateway, user="2")

    assert held.status_code == 429
    assert held.headers["retry-after"] == f"{told}"
    assert held.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": told}
    assert calls == 0
    assert other.json() == {"data": DATA}


async def test_rest_is_not_called_before_the_time_it_gave() -> None:
    """A 503 that names a time within the deadline is made up for, after it."""
    wait = answer(b"", "Retry-After: 1", status="503 Service Unavailable")
    clock = asyncio.get_running_loop().time
    async with faulty_rest(wait, answer()) as rest, gateway_to(rest.url) as gateway:
        started = clock()
        seen = await ask(gateway)
        took_s = clock() - started

    assert seen.json() == {"data": DATA}
    assert rest.calls == 2
    assert took_s > 0.9


async def test_a_restart_that_breaks_every_connection_is_not_noticed() -> None:
    """All of the calls in flight fail at once, and each has its retry."""
    restarts = asyncio.Event()
    async with (
        faulty_rest(*[waits_for(restarts, b"")] * 60, answer()) as rest,
        gateway_to(rest.url) as gateway,
    ):
        questions = asyncio.create_task(ask_all(gateway, range(60)))
        await until_called(rest, times=60)
        restarts.set()

        assert await questions == [DATA] * 60
    assert rest.calls == 120
