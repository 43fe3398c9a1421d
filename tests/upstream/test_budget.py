"""The budget of REST calls per second: calls wait, are refused, and take turns."""

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.caller import STRANGERS
from gateway.errors import UpstreamRateLimitedError
from gateway.store.redis import RedisCache
from gateway.store.shared import SharedCache
from gateway.store.shared_rate import SharedRate
from gateway.upstream.budget import IS_POLL, Budget
from tests.clock import FakeClock
from tests.store.redis_server import redis_server
from tests.upstream.test_client import CALLER, Script, client_of, failed
from tests.waiting import settle


def budget_of(per_second: int, clock: FakeClock) -> Budget:
    """Return a budget whose time passes only with the clock."""
    return Budget(SharedRate("a tenant", per_second, clock=clock), queue=5)


async def test_calls_past_the_budget_are_refused_with_the_time_to_wait() -> None:
    """A call whose turn comes too late gets the time to wait, and may be repeated afterwards."""
    rest, clock = Script(httpx.Response(200, content=b"[]")), FakeClock()
    async with client_of(rest, timeout=0.5) as client:
        client.budget = budget_of(2, clock)
        for _ in range(2):
            await client.fetch(CALLER)
        error = await failed(client)
        assert rest.calls == 2
        clock.advance(1)
        await client.fetch(CALLER)

    assert isinstance(error, UpstreamRateLimitedError) and not error.call_was_made
    assert error.extensions == {"code": "RATE_LIMITED", "retryAfter": 1}
    assert client.budget is not None
    assert (client.budget.granted, client.budget.refused) == (3, 1)
    assert client.breaker.state == "closed"


async def test_a_call_waits_for_its_turn_within_its_deadline() -> None:
    """A call waits for the next free second if its deadline allows it."""
    clock = FakeClock()
    budget = budget_of(1, clock)
    await budget.take("ada", longest_s=5)
    clock.advance(0.999)
    await budget.take("ada", longest_s=5)

    assert (budget.granted, budget.refused) == (2, 0)


@pytest.mark.parametrize("timeout_s", [0.5, 1.5])
async def test_calls_that_waited_for_a_connection_do_not_begin_at_once(timeout_s: float) -> None:
    """The last is refused: in a second it would have less than half of its deadline left."""
    clock, answers = FakeClock(), asyncio.Event()
    calls = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        await answers.wait()
        return httpx.Response(200, content=b"[]")

    async with client_of(answer, timeout=timeout_s, connections=1) as client:
        client.budget = budget_of(1, clock)
        fetched = []
        for _ in range(3):
            fetched.append(asyncio.create_task(client.fetch(CALLER)))
            await settle()
            clock.advance(1)
        answers.set()
        *_, last = await asyncio.gather(*fetched, return_exceptions=True)

    assert calls == 2
    assert isinstance(last, UpstreamRateLimitedError)


async def test_these_calls_of_all_processes_do_not_begin_at_once(tmp_path: Path) -> None:
    """Processes that share the budget also begin no more calls together."""
    with redis_server(tmp_path) as server:
        cache = SharedCache(RedisCache(server.url), max_bytes=1, answer_s=10, lease_wait_s=1)
        one, other = (Budget(SharedRate("a tenant", 1, shared=cache), queue=5) for _ in range(2))
        await one.spread(longest_s=0)
        with pytest.raises(UpstreamRateLimitedError):
            await other.spread(longest_s=0)
        await cache.aclose()


@pytest.mark.parametrize("others", [["bob"], [STRANGERS, "bob"]])
async def test_a_live_poll_does_not_wait_for_requests(others: list[str]) -> None:
    """A live poll is refused rather than queued, which leaves the budget to requests."""
    budget = budget_of(1, FakeClock())
    await budget.take("ada", longest_s=5)
    waiting = [asyncio.create_task(budget.take(other, longest_s=5)) for other in others]
    await asyncio.sleep(0)
    IS_POLL.set(True)

    with pytest.raises(UpstreamRateLimitedError):
        await budget.take("eve", longest_s=5)
    for one in waiting:
        one.cancel()


async def test_a_live_poll_takes_turns_with_strangers() -> None:
    """A flood of wrong credentials does not stop the subscriptions of known users."""
    budget = Budget(SharedRate("a tenant", 10), queue=40)
    flood = [asyncio.create_task(budget.take(STRANGERS, longest_s=5)) for _ in range(40)]
    await asyncio.sleep(0)
    IS_POLL.set(True)

    for _ in range(3):
        await budget.take("ada", longest_s=5)

    assert budget.granted < len(flood)
    for one in flood:
        one.cancel()
