"""Calls go to the tenant's current host, over connections of that tenant only."""

import asyncio
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import (
    GatewayError,
    UpstreamError,
    UpstreamMisdirectedError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.tenants import calls as calls_module
from gateway.tenants.calls import Client, TenantCalls
from tests.clock import FakeClock
from tests.support import loaded
from tests.tenants.fakes import START_S, TENANT, FakeClient, FakeService, error_of, running
from tests.waiting import settle

CALLER = Caller(((b"authorization", b"Bearer a"),))
FIRST, SECOND = (str(running(host).url) for host in ("online1", "online2"))
MOVED = UpstreamMisdirectedError("moved", upstream_status=421)


class Bench:
    """Calls of tenants over stand-ins for everything around them."""

    def __init__(self) -> None:
        self.clock = FakeClock(START_S)
        self.service = FakeService()
        self.errors: dict[str, GatewayError] = {}
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.clients: list[FakeClient] = []
        self.calls = TenantCalls(self.service, self._client_for, clock=self.clock)

    def _client_for(self, url: str) -> Client:
        self.clients.append(FakeClient(url, self.errors, self.is_open))
        return Client(self.clients[-1].fetch, self.clients[-1].aclose)

    async def fetch(self, tenant: str = TENANT) -> bytes:
        """Make a call in a task of its own, as each shared call has."""
        return await asyncio.create_task(self.calls.fetch(tenant, CALLER, ()))

    async def refusal(self) -> GatewayError:
        """Make a call that fails, and return the error."""
        error = await error_of(self.calls.fetch(TENANT, CALLER, ()))
        assert isinstance(error, GatewayError)
        return error

    async def move(self) -> None:
        """Call a tenant, and move it some time later."""
        assert await self.fetch() == FIRST.encode()
        self.errors[FIRST] = MOVED
        self.service.answer = running("online2")
        self.clock.now += 30


@pytest.fixture
def bench() -> Bench:
    """Return calls over stand-ins."""
    return Bench()


async def test_calls_of_a_tenant_go_through_one_client(bench: Bench) -> None:
    """A tenant's connections are reused."""
    assert [await bench.fetch() for _ in range(3)] == [FIRST.encode()] * 3
    assert [client.calls for client in bench.clients] == [3]
    assert bench.service.tenants_read == [TENANT]


async def test_each_tenant_has_a_client_of_its_own(bench: Bench) -> None:
    """Tenants at the same address have separate clients too."""
    await bench.fetch("Cust1")
    await bench.fetch("Cust2")

    assert [client.calls for client in bench.clients] == [1, 1]


async def test_a_call_to_a_moved_tenant_is_repeated_at_its_new_host(bench: Bench) -> None:
    """The caller gets its answer, and no error."""
    await bench.move()

    assert await bench.fetch() == SECOND.encode()
    assert await bench.fetch() == SECOND.encode()
    assert [(client.url, client.calls) for client in bench.clients] == [(FIRST, 2), (SECOND, 2)]
    assert bench.service.tenants_read == [TENANT] * 2


async def test_a_call_is_made_twice_at_most(bench: Bench) -> None:
    """If the new host answers 421 as well, the caller gets the error."""
    await bench.move()
    bench.errors[SECOND] = MOVED

    assert await bench.refusal() is MOVED
    assert [client.calls for client in bench.clients] == [2, 1]
    assert bench.service.tenants_read == [TENANT] * 2


@pytest.mark.parametrize("slow", ["state service", "new host"])
async def test_a_call_to_a_moved_tenant_ends_in_time(bench: Bench, slow: str) -> None:
    """One deadline holds for both calls, and for the state service between them."""
    await bench.move()
    bench.service.settings = loaded({"environment": "sod", "upstream_timeout": 0.05})
    closed = asyncio.Event()
    if slow == "new host":
        bench.is_open = closed
    else:
        bench.service.is_open = closed

    error = await asyncio.wait_for(bench.refusal(), 5)

    assert type(error) is UpstreamTimeoutError
    assert str(error) == "SuperOffice did not answer within 0.05 seconds."


async def test_a_call_is_not_repeated_at_the_same_address(bench: Bench) -> None:
    """The answer would be the same."""
    await bench.move()
    bench.service.answer = running("online1")

    assert await bench.refusal() is MOVED
    assert [client.calls for client in bench.clients] == [2]


async def test_all_callers_of_a_moved_tenant_share_one_state_request(bench: Bench) -> None:
    """The number of concurrent calls does not matter."""
    await bench.move()

    answers = await asyncio.gather(*(bench.fetch() for _ in range(20)))

    assert answers == [SECOND.encode()] * 20
    assert bench.service.tenants_read == [TENANT] * 2
    assert len(bench.clients) == 2


async def test_a_call_with_another_error_is_not_repeated(bench: Bench) -> None:
    """Only the client knows which errors can be retried, and has retried them."""
    bench.errors[FIRST] = UpstreamRateLimitedError("slower")

    assert await bench.refusal() is bench.errors[FIRST]
    assert [client.calls for client in bench.clients] == [1]


@pytest.mark.parametrize("kind", [UpstreamUnavailableError, UpstreamTimeoutError])
async def test_the_state_is_soon_read_again_if_a_host_does_not_answer(
    bench: Bench, kind: type[UpstreamError]
) -> None:
    """A host that is gone cannot send 421."""
    await bench.move()
    bench.errors[FIRST] = kind("gone")
    await bench.refusal()
    await bench.refusal()
    await settle()

    assert await bench.fetch() == SECOND.encode()
    assert bench.service.tenants_read == [TENANT] * 2


async def test_the_old_client_closes_when_its_last_call_has_ended(bench: Bench) -> None:
    """Running calls are finished; new ones use the new client."""
    await bench.fetch()
    bench.is_open.clear()
    under_way = asyncio.create_task(bench.fetch())
    await settle()
    bench.service.answer = running("online2")
    bench.clock.now += 600
    meanwhile = asyncio.create_task(bench.fetch())
    await settle()
    old, new = bench.clients
    assert not old.is_closed

    bench.is_open.set()

    assert await under_way == FIRST.encode()
    assert await meanwhile == SECOND.encode()
    assert (old.is_closed, new.is_closed) == (True, False)


async def test_the_least_recently_used_client_is_closed_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The number of clients, and of cached states, is bounded."""
    monkeypatch.setattr(calls_module, "MOST_TENANTS", 2)
    bench = Bench()

    for tenant in ("Cust1", "Cust2", "Cust1", "Cust3", "Cust1"):
        await bench.fetch(tenant)

    assert [client.is_closed for client in bench.clients] == [False, True, False]
    assert bench.service.tenants_read == ["Cust1", "Cust2", "Cust3"]


async def test_guessed_names_of_tenants_evict_no_tenant_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SuperOffice's names can be guessed: a tenant counts once a caller of its own is accepted."""
    monkeypatch.setattr(calls_module, "MOST_TENANTS", 2)
    bench = Bench()
    await bench.fetch("Cust1")
    bench.errors[FIRST] = UpstreamUnauthenticatedError("forged", upstream_status=401)
    for number in range(2, 9):
        await error_of(bench.calls.fetch(f"Cust{number}", CALLER, ()))
    del bench.errors[FIRST]

    await bench.fetch("Cust1")

    assert bench.service.tenants_read.count("Cust1") == 1
    assert [client.is_closed for client in bench.clients] == [False, *[True] * 6, False]


async def test_a_tenant_that_has_moved_counts_as_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first call at the new host may be a while away."""
    monkeypatch.setattr(calls_module, "MOST_TENANTS", 2)
    bench = Bench()
    for tenant in ("Cust1", "Cust2"):
        await bench.fetch(tenant)
    bench.service.answer = running("online2")
    bench.clock.now += 500
    await bench.fetch("Cust2")  # read again in the background
    await bench.fetch("Cust3")
    await bench.fetch("Cust2")

    assert bench.service.tenants_read == ["Cust1", "Cust2", "Cust2", "Cust3"]


async def test_a_tenant_that_is_evicted_before_its_call_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two answers of the state service may come at once; a closed client would fail."""
    monkeypatch.setattr(calls_module, "MOST_TENANTS", 2)
    bench = Bench()
    for tenant in ("Cust1", "Cust2"):
        await bench.fetch(tenant)
    bench.clock.now += 600
    bench.service.is_open.clear()
    waiting = [asyncio.create_task(bench.fetch(tenant)) for tenant in ("Cust1", "Cust3")]
    await settle()
    bench.service.is_open.set()

    assert await asyncio.gather(*waiting) == [FIRST.encode()] * 2
    assert bench.service.tenants_read[2:] == ["Cust1", "Cust3", "Cust1"]


async def test_closing_closes_all_clients(bench: Bench) -> None:
    """The state service is closed too."""
    for tenant in ("Cust1", "Cust2"):
        await bench.fetch(tenant)

    await bench.calls.aclose()

    assert [client.is_closed for client in bench.clients] == [True, True]
    assert bench.service.is_closed


async def test_a_slow_tenant_does_not_delay_another(bench: Bench) -> None:
    """Any number of callers may wait for one tenant while another answers."""
    bench.is_open.clear()
    waiting: list[Any] = [asyncio.create_task(bench.fetch("Cust1")) for _ in range(200)]
    await settle()
    bench.is_open = asyncio.Event()
    bench.is_open.set()

    assert await bench.fetch("Cust2") == FIRST.encode()
    assert not any(task.done() for task in waiting)

    bench.clients[0].is_open.set()
    await asyncio.gather(*waiting)
