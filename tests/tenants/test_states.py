"""How long a tenant's state is kept, and how seldom the service is asked."""

import asyncio

import pytest

from gateway.errors import (
    GatewayError,
    TenantNotFoundError,
    TenantNotRunningError,
    UpstreamBadResponseError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.tenants import states as states_module
from gateway.tenants.state_service import TenantState
from gateway.tenants.states import TenantStates
from tests.observe.logged import logged
from tests.tenants.fakes import START_S, TENANT, FakeClock, FakeService, error_of, running

SUSPENDED = TenantNotRunningError(TENANT, "Suspended")
FAILURES = [
    UpstreamUnavailableError("down"),
    UpstreamTimeoutError("slow"),
    UpstreamBadResponseError("lies"),
]


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock that states grow old by."""
    return FakeClock()


@pytest.fixture
def service() -> FakeService:
    """Return a state service that says a tenant runs for ten minutes."""
    return FakeService()


@pytest.fixture
def states(service: FakeService, clock: FakeClock) -> TenantStates:
    """Return what is known of tenants: nothing."""
    return TenantStates(service, clock=clock)


async def landed() -> None:
    """Let what happens in the background happen."""
    for _ in range(5):
        await asyncio.sleep(0)


async def find(states: TenantStates, tenant: str = TENANT) -> TenantState:
    """Find a state, in a task of its own as each request has."""
    return await asyncio.create_task(states.find(tenant))


async def refusal(states: TenantStates, tenant: str = TENANT) -> GatewayError:
    """Return why a state cannot be had."""
    error = await error_of(states.find(tenant))
    assert isinstance(error, GatewayError)
    return error


async def test_a_state_is_asked_for_once(states: TenantStates, service: FakeService) -> None:
    """It holds until its time is up."""
    found = [await find(states) for _ in range(3)]

    assert found == [running()] * 3
    assert service.asked == [TENANT]


async def test_all_who_wait_share_one_question(states: TenantStates, service: FakeService) -> None:
    """However many requests a tenant's first moment brings."""
    found = await asyncio.gather(*(find(states) for _ in range(20)))

    assert found == [running()] * 20
    assert service.asked == [TENANT]


async def test_a_waiter_who_leaves_does_not_take_the_answer_along(
    states: TenantStates, service: FakeService
) -> None:
    """Others wait for it, or will come for it."""
    service.is_open.clear()
    waiter = asyncio.create_task(states.find(TENANT))
    await landed()
    waiter.cancel()
    service.is_open.set()
    await landed()

    assert await find(states) == running()
    assert service.asked == [TENANT]


@pytest.mark.parametrize(
    ("good_for_s", "kept_for_s"),
    [(600, 600), (-1e6, 60), (0, 60), (59, 60), (3_601, 3_600), (1e11, 3_600)],
)
async def test_a_state_is_kept_until_it_says_within_limits(
    states: TenantStates,
    service: FakeService,
    clock: FakeClock,
    good_for_s: float,
    kept_for_s: float,
) -> None:
    """At least a minute, at most an hour; its last fifth does not wait for the service."""
    service.says = running("online1", good_for_s=good_for_s)
    await find(states)
    service.is_open.clear()
    clock.now += kept_for_s - 1
    await find(states)

    clock.now += 1
    waiting = asyncio.create_task(states.find(TENANT))
    await landed()
    assert not waiting.done()

    service.is_open.set()
    await waiting


async def test_a_state_is_refreshed_before_it_runs_out(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """In the background, once, and whoever asks meanwhile goes by the old one."""
    await find(states)
    service.says = running("online2", good_for_s=1_200)
    service.is_open.clear()
    clock.now += 481

    meanwhile = [await find(states) for _ in range(3)]
    await landed()
    service.is_open.set()
    await landed()

    assert meanwhile == [running()] * 3
    assert await find(states) == running("online2", good_for_s=1_200)
    assert len(service.asked) == 2


async def test_a_state_is_not_refreshed_early(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """Nor for tenants that nobody asks for."""
    await find(states)
    clock.now += 479
    await find(states)
    await landed()

    assert len(service.asked) == 1


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_while_the_service_fails_the_last_state_will_do(
    states: TenantStates, service: FakeService, clock: FakeClock, failure: GatewayError
) -> None:
    """For an hour more; the service is asked every ten seconds, and nobody waits for it again."""
    await find(states)
    service.says = failure
    clock.now += 600
    with logged() as log:
        assert await find(states) == running()

    service.is_open.clear()
    for _ in range(30):
        clock.now += 1
        assert await find(states) == running()
        await landed()
    assert len(service.asked) == 3
    (event,) = log.events
    assert event["event"] == f"The last known state of a tenant is used: {failure}"

    service.is_open.set()
    await landed()
    clock.now = START_S + 600 + 3_600
    assert await refusal(states) is failure


async def test_a_refresh_that_fails_changes_nothing(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """The next one, ten seconds later, may succeed."""
    await find(states)
    service.says = FAILURES[0]
    clock.now += 500
    await find(states)
    await landed()
    service.says = running("online2")
    clock.now += 9
    await find(states)
    await landed()
    assert len(service.asked) == 2

    clock.now += 1
    await find(states)
    await landed()

    assert await find(states) == running("online2")


async def test_a_tenant_that_is_gone_is_not_kept(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """Its last state will do for a service that fails, not for one that says otherwise."""
    await find(states)
    service.says = TenantNotFoundError()
    clock.now += 600

    assert type(await refusal(states)) is TenantNotFoundError
    assert type(await refusal(states)) is TenantNotFoundError
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("says", "kept_for_s"),
    [(TenantNotFoundError(), 60), (SUSPENDED, 60), (FAILURES[0], 1)],
    ids=["not found", "suspended", "failed"],
)
async def test_a_refusal_is_kept_for_a_while(
    states: TenantStates,
    service: FakeService,
    clock: FakeClock,
    says: TenantState | GatewayError,
    kept_for_s: float,
) -> None:
    """So that asking again and again does not reach the service, and a tenant soon comes back."""
    service.says = says
    first = await refusal(states)
    clock.now += kept_for_s - 0.001
    assert type(await refusal(states)) is type(first)
    assert len(service.asked) == 1

    clock.now += 0.001
    service.says = running()

    assert await find(states) == running()


async def test_a_tenant_that_does_not_run_says_why(
    states: TenantStates, service: FakeService
) -> None:
    """Its state is in the error's extensions."""
    service.says = SUSPENDED

    error = await refusal(states)

    assert type(error) is TenantNotRunningError
    assert str(error) == f"{TENANT} does not run at the moment: its state is Suspended."
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE", "tenantState": "Suspended"}


async def test_an_error_that_is_raised_again_does_not_grow(
    states: TenantStates, service: FakeService
) -> None:
    """Its traceback would hold on to every request that it was raised for."""
    service.says = TenantNotFoundError()

    lengths = set()
    for _ in range(4):
        traceback, length = (await refusal(states)).__traceback__, 0
        while traceback is not None:
            traceback, length = traceback.tb_next, length + 1
        lengths.add(length)

    assert len(lengths) == 1


async def test_the_tenant_asked_for_least_recently_goes_first(
    clock: FakeClock, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory has an end."""
    monkeypatch.setattr(states_module, "MOST_TENANTS", 2)
    states = TenantStates(service, clock=clock)
    for tenant in ("Cust1", "Cust2", "Cust1", "Cust3"):
        await find(states, tenant)

    for tenant in ("Cust1", "Cust3", "Cust2"):
        await find(states, tenant)

    assert service.asked == ["Cust1", "Cust2", "Cust3", "Cust2"]


async def test_guessing_names_drives_out_no_tenant_in_use(
    clock: FakeClock, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is not is kept apart, and has an end too."""
    monkeypatch.setattr(states_module, "MOST_TENANTS", 2)
    states = TenantStates(service, clock=clock)
    await find(states)
    service.says = TenantNotFoundError()
    for number in range(5):
        await refusal(states, f"Cust{number}")
    await refusal(states, "Cust4")
    assert len(service.asked) == 6

    assert await find(states) == running()
    await refusal(states, "Cust0")

    assert service.asked[6:] == ["Cust0"]


async def test_a_tenant_that_has_moved_is_found_again(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """REST has said that it is somewhere else, whatever was known."""
    old = await find(states)
    service.says = running("online2")
    clock.now += 1

    moved = [await states.find_moved(TENANT, old) for _ in range(3)]

    assert moved == [running("online2")] * 3
    assert len(service.asked) == 2


async def test_a_tenant_is_asked_for_again_once_a_second_at_most(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """Where REST and the service go on disagreeing."""
    for _ in range(10):
        old = await find(states)
        assert await states.find_moved(TENANT, old) == old
        clock.now += 0.25

    assert len(service.asked) == 3


async def test_a_moved_tenant_may_not_be_known_any_more(
    states: TenantStates, service: FakeService
) -> None:
    """It may have gone from memory while REST was being called."""
    await states.find_moved(TENANT, running("online9"))

    assert service.asked == [TENANT]


async def test_a_doubtful_state_is_refreshed_soon(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """Where nothing answers, the tenant may have left without notice."""
    await find(states)
    clock.now += 10
    states.refresh_soon(TENANT)
    states.refresh_soon("Cust404")
    await find(states)
    await landed()

    assert service.asked == [TENANT] * 2


async def test_doubts_do_not_hammer_the_service(
    states: TenantStates, service: FakeService, clock: FakeClock
) -> None:
    """Ten seconds lie between the questions."""
    for _ in range(20):
        await find(states)
        states.refresh_soon(TENANT)
        await landed()
        clock.now += 1

    assert len(service.asked) == 2


async def test_closing_gives_up_what_is_being_asked(
    states: TenantStates, service: FakeService
) -> None:
    """And closes the service's connections."""
    service.is_open.clear()
    waiting = asyncio.create_task(states.find(TENANT))
    await landed()

    await states.aclose()

    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert service.is_closed
