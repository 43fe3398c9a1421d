"""How long a tenant's state is cached, and how rarely the service is called."""

import asyncio

import pytest

from gateway.caller import Caller
from gateway.errors import (
    GatewayError,
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamBadResponseError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.tenants import calls as calls_module
from gateway.tenants.calls import Client, TenantCalls
from gateway.tenants.state_service import TenantState
from tests.clock import FakeClock
from tests.observe.logged import logged
from tests.tenants.fakes import START_S, TENANT, FakeClient, FakeService, error_of, running
from tests.waiting import settle

CALLER = Caller(((b"authorization", b"Bearer a"),))
SUSPENDED = TenantNotRunningError(TENANT, "Suspended")
FAILURES = [
    UpstreamUnavailableError("down"),
    UpstreamTimeoutError("slow"),
    UpstreamBadResponseError("lies"),
    TenantNotFoundError(),
]


def tenants(service: FakeService, clock: FakeClock) -> TenantCalls:
    """Return an empty cache of states, of tenants whose hosts do not answer."""
    client = FakeClient("host", {"host": UpstreamUnavailableError("gone")}, service.is_open)
    return TenantCalls(service, lambda _: Client(client.fetch, settle), clock=clock)


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock that ages states."""
    return FakeClock(START_S)


@pytest.fixture
def service() -> FakeService:
    """Return a state service that reports a tenant as running for ten minutes."""
    return FakeService()


@pytest.fixture
def states(service: FakeService, clock: FakeClock) -> TenantCalls:
    """Return an empty cache of states."""
    return tenants(service, clock)


async def find(states: TenantCalls, tenant: str = TENANT) -> TenantState:
    """Find a state, in a task of its own, as each request has."""
    return (await asyncio.create_task(states.find(tenant))).state


async def refusal(states: TenantCalls, tenant: str = TENANT) -> GatewayError:
    """Return the error of a lookup that fails."""
    error = await error_of(states.find(tenant))
    assert isinstance(error, GatewayError)
    return error


async def test_a_state_is_requested_once(states: TenantCalls, service: FakeService) -> None:
    """A state is cached until it expires."""
    results = [await find(states) for _ in range(3)]

    assert results == [running()] * 3
    assert service.tenants_read == [TENANT]


async def test_concurrent_lookups_share_one_request(
    states: TenantCalls, service: FakeService
) -> None:
    """The first requests for a tenant may come at once."""
    results = await asyncio.gather(*(find(states) for _ in range(20)))

    assert results == [running()] * 20
    assert service.tenants_read == [TENANT]


async def test_a_cancelled_lookup_does_not_cancel_the_request(
    states: TenantCalls, service: FakeService
) -> None:
    """Other lookups wait for the answer, or will need it."""
    service.is_open.clear()
    waiter = asyncio.create_task(states.find(TENANT))
    await settle()
    waiter.cancel()
    service.is_open.set()
    await settle()

    assert await find(states) == running()
    assert service.tenants_read == [TENANT]


@pytest.mark.parametrize(
    ("good_for_s", "cached_for_s"),
    [(600, 600), (-1e6, 60), (0, 60), (59, 60), (3_601, 3_600), (1e11, 3_600)],
)
async def test_a_state_is_cached_for_its_validity_within_limits(
    states: TenantCalls,
    service: FakeService,
    clock: FakeClock,
    good_for_s: float,
    cached_for_s: float,
) -> None:
    """A state is cached for 1 to 60 minutes; lookups wait for the service only after that."""
    service.answer = running("online1", good_for_s=good_for_s)
    await find(states)
    service.is_open.clear()
    clock.now += cached_for_s - 1
    await find(states)

    clock.now += 1
    waiting = asyncio.create_task(states.find(TENANT))
    await settle()
    assert not waiting.done()

    service.is_open.set()
    await waiting


async def test_a_state_is_refreshed_before_it_expires(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """One request runs in the background, and lookups use the old state meanwhile."""
    await find(states)
    service.answer = running("online2", good_for_s=1_200)
    service.is_open.clear()
    clock.now += 481

    meanwhile = [await find(states) for _ in range(3)]
    await settle()
    service.is_open.set()
    await settle()

    assert meanwhile == [running()] * 3
    assert await find(states) == running("online2", good_for_s=1_200)
    assert len(service.tenants_read) == 2


async def test_a_state_is_not_refreshed_early(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """A lookup in the first four fifths of its lifetime causes no request."""
    await find(states)
    clock.now += 479
    await find(states)
    await settle()

    assert len(service.tenants_read) == 1


async def test_failing_lookups_are_counted_and_logged_once_in_a_while(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """A new name without a tenant, or one that does not run, is no failure of the service.

    Nor is a call that was not made: anybody can make up more names than can be looked up.
    """
    await find(states)
    await find(states, "Cust2")
    for service.answer in (TenantNotFoundError(), TenantNotRunningError(TENANT, "Suspended")):
        await refusal(states, f"Cust{len(service.tenants_read) + 1}")
    assert states.lookups == {"ok": 2, "not_running": 2}

    clock.now += 600
    service.answer = UpstreamUnavailableError("busy", call_was_made=False)
    await refusal(states, "Cust6")
    service.answer = TenantNotFoundError()
    with logged() as log:
        await find(states)
        await find(states, "Cust2")
        assert len(log.events) == 1
        service.answer = UpstreamUnavailableError("down")
        await refusal(states, "Cust5")

    assert +states.lookups == {
        "ok": 2,
        "not_running": 2,
        "BAD_REQUEST": 2,
        "UPSTREAM_UNAVAILABLE": 1,
    }
    assert len(log.events) == 2


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_the_last_state_is_used_while_the_service_fails(
    states: TenantCalls, service: FakeService, clock: FakeClock, failure: GatewayError
) -> None:
    """The last state serves an hour more; the service is retried every ten seconds."""
    await find(states)
    service.answer = failure
    clock.now += 600
    with logged() as log:
        assert await find(states) == running()

    service.is_open.clear()
    for _ in range(30):
        clock.now += 1
        assert await find(states) == running()
        await settle()
    assert len(service.tenants_read) == 3
    (event,) = log.events
    assert event["event"] == f"The last known state of {TENANT} is used: {failure}"

    service.is_open.set()
    await settle()
    clock.now = START_S + 600 + 3_600
    assert await refusal(states) is failure


async def test_a_failed_refresh_keeps_the_state(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """The next refresh, ten seconds later, may succeed."""
    await find(states)
    service.answer = FAILURES[0]
    clock.now += 500
    await find(states)
    await settle()
    service.answer = running("online2")
    clock.now += 9
    await find(states)
    await settle()
    assert len(service.tenants_read) == 2

    clock.now += 1
    await find(states)
    await settle()

    assert await find(states) == running("online2")


async def test_a_tenant_that_no_longer_runs_is_dropped(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """The last state replaces a failed request, but not the answer that the tenant has stopped."""
    await find(states)
    service.answer = SUSPENDED
    clock.now += 600

    assert await refusal(states) is SUSPENDED
    assert await refusal(states) is SUSPENDED
    assert len(service.tenants_read) == 2


async def test_a_refusal_is_logged_when_it_is_found(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """A refresh in the background may find it; the clients who get it next do not log it."""
    await find(states)
    service.answer = TenantNotRunningError(TENANT, "Suspended")
    clock.now += 500
    with logged() as log:
        await find(states)
        await settle()

    assert await refusal(states) is service.answer
    assert not service.answer.call_was_made
    (event,) = log.events
    assert event["event"] == f"A REST call failed: UPSTREAM_UNAVAILABLE, {service.answer}"


@pytest.mark.parametrize(
    ("answer", "cached_for_s"),
    [(TenantNotFoundError(), 60), (SUSPENDED, 60), (FAILURES[0], 1)],
    ids=["not found", "suspended", "failed"],
)
async def test_a_refusal_is_cached_for_a_while(
    states: TenantCalls,
    service: FakeService,
    clock: FakeClock,
    answer: TenantState | GatewayError,
    cached_for_s: float,
) -> None:
    """Repeated lookups do not reach the service, and a recovered tenant is soon served."""
    service.answer = answer
    first = await refusal(states)
    clock.now += cached_for_s - 0.001
    assert type(await refusal(states)) is type(first)
    assert len(service.tenants_read) == 1

    clock.now += 0.001
    service.answer = running()

    assert await find(states) == running()


async def test_a_tenant_that_does_not_run_has_its_state_in_the_error(
    states: TenantCalls, service: FakeService
) -> None:
    """The state is in the error's extensions."""
    service.answer = SUSPENDED

    error = await refusal(states)

    assert type(error) is TenantNotRunningError
    assert str(error) == f"{TENANT} is not running: its state is Suspended."
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE", "tenantState": "Suspended"}


async def test_an_error_that_is_raised_again_does_not_grow(
    states: TenantCalls, service: FakeService
) -> None:
    """A growing traceback would keep every earlier request in memory."""
    service.answer = TenantNotFoundError()

    lengths = set()
    for _ in range(4):
        traceback, length = (await refusal(states)).__traceback__, 0
        while traceback is not None:
            traceback, length = traceback.tb_next, length + 1
        lengths.add(length)

    assert len(lengths) == 1


async def test_unknown_names_do_not_evict_tenants_in_use(
    clock: FakeClock, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown names have a separate cache, which is bounded too."""
    monkeypatch.setattr(calls_module, "MOST_TENANTS", 2)
    states = tenants(service, clock)
    await find(states)
    service.answer = TenantNotFoundError()
    for number in range(5):
        await refusal(states, f"Cust{number}")
    await refusal(states, "Cust4")
    assert len(service.tenants_read) == 6

    assert await find(states) == running()
    await refusal(states, "Cust0")

    assert service.tenants_read[6:] == ["Cust0"]


async def test_the_state_of_a_moved_tenant_is_read_again(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """A 421 from the REST API makes the cached state invalid."""
    old = await states.find(TENANT)
    service.answer = running("online2")
    clock.now += 1

    moved = [(await states.find_moved(TENANT, old)).state for _ in range(3)]

    assert moved == [running("online2")] * 3
    assert len(service.tenants_read) == 2


async def test_a_moved_tenants_state_is_read_once_a_second_at_most(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """The REST API and the service may keep disagreeing."""
    for _ in range(10):
        old = await states.find(TENANT)
        assert await states.find_moved(TENANT, old) is old
        clock.now += 0.25

    assert len(service.tenants_read) == 3


async def test_a_moved_tenant_may_have_been_evicted(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """A tenant may have left the cache during the REST call."""
    old = await tenants(FakeService(), clock).find(TENANT)

    await states.find_moved(TENANT, old)

    assert service.tenants_read == [TENANT]


async def test_a_doubtful_state_is_refreshed_soon(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """If a host does not answer, the tenant may have moved."""
    await find(states)
    clock.now += 10
    await error_of(states.fetch(TENANT, CALLER, ()))
    await find(states)
    await settle()

    assert service.tenants_read == [TENANT] * 2


async def test_doubtful_states_do_not_flood_the_service(
    states: TenantCalls, service: FakeService, clock: FakeClock
) -> None:
    """Requests are at least ten seconds apart."""
    for _ in range(20):
        await find(states)
        await error_of(states.fetch(TENANT, CALLER, ()))
        await settle()
        clock.now += 1

    assert len(service.tenants_read) == 2


async def test_closing_cancels_running_requests(states: TenantCalls, service: FakeService) -> None:
    """The service's connections are closed too."""
    service.is_open.clear()
    waiting = asyncio.create_task(states.find(TENANT))
    await settle()

    await states.aclose()

    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert service.is_closed
