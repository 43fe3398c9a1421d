"""Times when REST is not called: an open breaker, a full queue, a Retry-After."""

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
    """Send the query as several users at once; return the code of each error, or the data."""
    responses = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in users))
    answers = [one.json() for one in responses]
    return [
        one["errors"][0]["extensions"]["code"] if "errors" in one else one["data"]
        for one in answers
    ]


async def until_called(rest: FaultyRest, *, times: int = 1) -> None:
    """Wait until REST has received this many calls."""
    async with asyncio.timeout(10):
        while rest.calls < times:  # noqa: ASYNC110  the count is on the other side of a socket
            await asyncio.sleep(0.01)


async def test_the_breaker_opens_and_closes(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """After failures, calls are refused at once; after the cooldown one call closes the breaker."""
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
        recovered = await ask_all(gateway, range(4, 5)) + await ask_all(gateway, range(5, 9))

    assert failed == ["UPSTREAM_UNAVAILABLE"] * 3
    assert refused.status_code == 503
    retry_after_s = int(refused.headers["retry-after"])
    assert 1 <= retry_after_s <= 3
    assert refused.json()["errors"][0]["extensions"] == {
        "code": "UPSTREAM_UNAVAILABLE",
        "retryAfter": retry_after_s,
    }
    assert calls_while_open == 0
    assert recovered == [DATA] * 5
    lines = [record.getMessage() for record in caplog.records if "breaker" in record.name]
    assert lines == [
        "SuperOffice is not called for 3 seconds: the calls of 3 callers in a row have failed.",
        "SuperOffice answers again.",
    ]
    assert leaks_in(refused.text + caplog.text + "".join(capsys.readouterr())) == []


async def test_one_probe_is_made_at_a_time() -> None:
    """While the probe waits for its answer, other calls are refused."""
    may_answer = asyncio.Event()
    async with (
        faulty_rest(closes()) as rest,
        gateway_to(rest.url, breaker_failures=1, breaker_cooldown=0.1) as gateway,
    ):
        await ask(gateway)
        await asyncio.sleep(0.1)
        rest.play(waits_for(may_answer, answer()))
        probe = asyncio.create_task(ask_all(gateway, range(1)))
        await until_called(rest)
        others = await ask_all(gateway, range(1, 9))
        may_answer.set()

        assert await probe == [DATA]
    assert others == ["UPSTREAM_UNAVAILABLE"] * 8
    assert rest.calls == 1


async def test_a_call_past_the_queue_gets_retry_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call past the queue is refused with Retry-After, and the calls in it are served."""
    monkeypatch.setattr(upstream_client, "CALLS_WAITING", 2)
    may_answer = asyncio.Event()
    async with (
        faulty_rest(answer()) as rest,
        gateway_to(rest.url, upstream_connections=1, cache_ttl=0) as gateway,
    ):
        for user in range(4):
            await ask_all(gateway, range(user, user + 1))
        rest.play(waits_for(may_answer, answer()))
        served = asyncio.create_task(ask_all(gateway, range(3)))
        async with asyncio.timeout(10):
            while "\ngateway_upstream_waiting 2.0" not in (await gateway.http.get("/metrics")).text:  # noqa: ASYNC110  the third is on its way
                await asyncio.sleep(0.01)
        refused = await ask(gateway, GRAPHQL_JSON, user="3")
        may_answer.set()

        assert await served == [DATA] * 3
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "Too many calls wait" in refused.json()["errors"][0]["message"]
    assert rest.calls == 3


@pytest.mark.parametrize(
    ("retry_after", "expected_s"),
    [("7", 7), ("86400", 60), ("Fri, 31 Dec 9999 23:59:59 GMT", 60)],
)
async def test_a_caller_that_is_asked_to_slow_down_is_held_off(
    retry_after: str, expected_s: int
) -> None:
    """After a 429 a caller is held off for at most a minute, and others are served."""
    too_many = answer(b"", f"Retry-After: {retry_after}", status="429 Too Many Requests")
    async with faulty_rest(too_many) as rest, gateway_to(rest.url) as gateway:
        await ask(gateway, user="1")
        rest.play(answer())
        held = await ask(gateway, GRAPHQL_JSON, user="1")
        calls = rest.calls
        other = await ask(gateway, user="2")

    assert held.status_code == 429
    assert held.headers["retry-after"] == f"{expected_s}"
    assert held.json()["errors"][0]["extensions"] == {
        "code": "RATE_LIMITED",
        "retryAfter": expected_s,
    }
    assert calls == 0
    assert other.json() == {"data": DATA}


async def test_a_503_is_retried_after_its_retry_after() -> None:
    """A 503 whose Retry-After is within the deadline is retried after it."""
    wait = answer(b"", "Retry-After: 1", status="503 Service Unavailable")
    clock = asyncio.get_running_loop().time
    async with faulty_rest(wait, answer()) as rest, gateway_to(rest.url) as gateway:
        started = clock()
        response = await ask(gateway)
        took_s = clock() - started

    assert response.json() == {"data": DATA}
    assert rest.calls == 2
    assert took_s > 0.9


async def test_a_restart_of_rest_is_hidden_by_retries() -> None:
    """All calls that fail in a restart of REST are retried."""
    restarts = asyncio.Event()
    async with (
        faulty_rest(*[waits_for(restarts, b"")] * 50, answer()) as rest,
        gateway_to(rest.url) as gateway,
    ):
        requests = asyncio.create_task(ask_all(gateway, range(50)))
        await until_called(rest, times=50)
        restarts.set()

        assert await requests == [DATA] * 50
    assert rest.calls == 100
