"""The budget of REST calls per second: calls wait, are refused, and take turns."""

import asyncio
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.errors import UpstreamRateLimitedError
from gateway.store.shared_rate import SharedRate
from gateway.upstream.budget import POLL, Budget, Poll
from gateway.upstream.client import UpstreamClient
from tests.clock import FakeClock
from tests.support import loaded
from tests.upstream.test_client import CALLER, Script, client_of, failed
from tests.waiting import settle

NAME: ContextVar[str] = ContextVar("name")


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


def test_a_tenant_has_one_budget_at_all_hosts() -> None:
    """Processes share it even if SuperOffice names a different host to each."""
    settings = loaded({"environment": "sod", "upstream_rate": 9})
    network = httpx.MockTransport(lambda _: httpx.Response(200))
    names = [
        client.budget and client.budget.rate.name
        for host, tenant in (("sod1", "Cust1"), ("sod2", "Cust1"), ("sod2", "Cust2"))
        for client in [UpstreamClient(settings, f"https://{host}/{tenant}", network, tenant=tenant)]
    ]

    assert names[0] == names[1] != names[2]


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
        answers.set()
        await client.fetch(CALLER)
        answers.clear()
        client.budget = budget_of(1, clock)
        fetched = []
        for _ in range(3):
            fetched.append(asyncio.create_task(client.fetch(CALLER)))
            await settle()
            clock.advance(1)
        answers.set()
        *_, last = await asyncio.gather(*fetched, return_exceptions=True)

    assert calls == 3
    assert isinstance(last, UpstreamRateLimitedError)


@dataclass(eq=False)
class ManualRate(SharedRate):
    """A rate whose reservations wait, as for a slow Redis, until the test answers them."""

    asked: deque[tuple[str, asyncio.Future[float]]] = field(default_factory=deque)

    async def reserve(self, longest_s: float) -> float:
        """Wait for the test."""
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.asked.append((NAME.get(), answer))
        return await answer

    async def answer_first(self) -> str:
        """Let the call begin that asked first, and return its name."""
        name, answer = self.asked.popleft()
        answer.set_result(0)
        await settle()
        return name


async def take(budget: Budget, share: str, *, is_poll: bool = False, longest_s: float = 60) -> None:
    """Take a time, as a call of this share, or as its live poll."""
    NAME.set(f"{share}'s poll" if is_poll else share)
    POLL.set(Poll() if is_poll else None)
    await budget.take(share, longest_s=longest_s)


async def test_a_slow_redis_does_not_lower_the_rate() -> None:
    """The calls of a second need five round trips, which may take a tenth of a second each."""
    rate = ManualRate("a tenant", 50)
    budget = Budget(rate, queue=50)
    calls = [asyncio.create_task(take(budget, f"user {number}")) for number in range(50)]
    await settle()
    round_trips = 0
    while rate.asked:
        round_trips += 1
        for _ in range(len(rate.asked)):
            await rate.answer_first()

    await asyncio.gather(*calls)
    assert round_trips == 5


async def test_workers_together_reserve_few_times() -> None:
    """Otherwise a caller's new call would wait for seconds behind those of one busy caller."""
    rate = ManualRate("a tenant", 100, workers=8)
    budget = Budget(rate, queue=50)
    calls = [asyncio.create_task(take(budget, "ada")) for _ in range(50)]
    await settle()

    assert len(rate.asked) == 3
    for call in calls:
        call.cancel()


async def test_a_call_that_may_not_wait_gets_a_time_that_is_free() -> None:
    """It has waited for a connection for half of its deadline; Redis is not asked in vain."""
    rate = ManualRate("a tenant", 1)
    call = asyncio.create_task(take(Budget(rate, queue=1), "ada", longest_s=-1))
    await settle()

    assert await rate.answer_first() == "ada"
    await call


@pytest.mark.parametrize("per_second", [1, 10, 25, 100])
async def test_live_polls_and_requests_leave_each_other_a_part(per_second: int) -> None:
    """While requests wait, live polls get a quarter of the budget at least, and half at most."""
    rate = ManualRate("a tenant", per_second)
    budget = Budget(rate, queue=200)
    tasks = [
        asyncio.create_task(take(budget, f"user {number}", is_poll=is_poll))
        for is_poll in (False, True)
        for number in range(200)
    ]
    await settle()

    begun = [await rate.answer_first() for _ in range(160)]

    assert 40 <= sum("poll" in name for name in begun) <= 80
    for task in tasks:
        task.cancel()


async def test_the_live_polls_of_one_caller_delay_no_other() -> None:
    """Live polls take turns: a caller with subscriptions in many languages has one share."""
    rate = ManualRate("a tenant", 1)
    budget = Budget(rate, queue=40)
    polls = ["ada"] * 30 + ["bob"]
    tasks = [asyncio.create_task(take(budget, share, is_poll=True)) for share in polls]
    await settle()

    assert "bob's poll" in [await rate.answer_first() for _ in range(3)]
    for task in tasks:
        task.cancel()
