"""The demo's SuperOffice Online: its state service, and the special behaviour of each tenant."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.demo.app import PATH, create_demo_app
from gateway.demo.network import DemoNetwork
from gateway.demo.tenants import DEMO_TENANTS
from gateway.settings import Settings
from gateway.tenants import calls
from gateway.tenants.state_service import StateService
from tests.demo.asking import KARI, NOON, ask
from tests.support import Gateway, gateway_over, served
from tests.web.asking import first_error

AUTH = {"Authorization": KARI.authorization_basic}
QUERY = "{ chatSessions { chatSessionId customerName } }"
STEADY, MOVING, MAINTAINED, SUSPENDED, LYING, SLOW = DEMO_TENANTS


class Clock:
    """A clock that the test sets."""

    now = float(NOON)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the demo's clock, at noon."""
    return Clock()


@pytest.fixture
async def gateway(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """Return a gateway over the demo's SuperOffice Online that caches no snapshots."""
    monkeypatch.setattr(calls, "_LEAST_APART_S", 0)
    app = create_demo_app(sessions=2, clock=clock)
    settings = {"upstream_url": None, "environment": "online", "cache_ttl": 0}
    async with gateway_over(httpx.ASGITransport(app), **settings) as running:
        yield running


async def query_tenant(gateway: Gateway, tenant: str) -> httpx.Response:
    """Query the gateway for a tenant's sessions."""
    return await asyncio.create_task(
        gateway.http.post(f"/graphql/{tenant}", json={"query": QUERY}, headers=AUTH)
    )


@pytest.mark.parametrize("tenant", [STEADY, MOVING, MAINTAINED])
async def test_a_running_tenant_is_served(gateway: Gateway, tenant: str) -> None:
    """The gateway reads its state, then calls its host."""
    assert len((await query_tenant(gateway, tenant)).json()["data"]["chatSessions"]) == 2


async def test_tenants_have_different_chats(gateway: Gateway) -> None:
    """A mix-up of tenants would be visible."""
    one, other = [
        (await query_tenant(gateway, tenant)).json()["data"] for tenant in (STEADY, MOVING)
    ]

    assert one != other


async def test_a_tenant_that_moves_is_followed(gateway: Gateway, clock: Clock) -> None:
    """A client gets data before and after the move."""
    await query_tenant(gateway, MOVING)
    clock.now += 60

    answer = await query_tenant(gateway, MOVING)

    assert len(answer.json()["data"]["chatSessions"]) == 2


async def test_the_former_host_of_a_tenant_answers_421(clock: Clock) -> None:
    """The host is right until the second of the move."""
    app = create_demo_app(clock=clock)
    path = f"/{MOVING}{PATH}"
    host = DEMO_TENANTS[MOVING].host(clock.now)

    before = await ask(app, {**AUTH, "Host": host}, path=path)
    clock.now += 60
    after = await ask(app, {**AUTH, "Host": host}, path=path)

    assert (before.status_code, after.status_code) == (200, 421)


async def test_any_tenant_is_served_on_loopback(clock: Clock) -> None:
    """A tenant can be called there without a gateway."""
    answer = await ask(create_demo_app(clock=clock), AUTH, path=f"/{MOVING}{PATH}")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("tenant", "code"),
    [
        (SUSPENDED, "UPSTREAM_UNAVAILABLE"),
        (LYING, "UPSTREAM_BAD_RESPONSE"),
        ("Cust404", "BAD_REQUEST"),
    ],
)
async def test_a_tenant_that_cannot_be_served_has_a_code(
    gateway: Gateway, tenant: str, code: str
) -> None:
    """The tenant is suspended, has an untrusted address, or does not exist."""
    assert first_error(await query_tenant(gateway, tenant))[0] == code


def test_one_tenant_is_slow() -> None:
    """No other tenant is slow."""
    delays = {name: tenant.delay_s for name, tenant in DEMO_TENANTS.items() if tenant.delay_s}

    assert delays == {SLOW: 3}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/state/Cust404", 404),
        (f"/Cust404{PATH}", 404),
        (f"/{SUSPENDED}{PATH}", 503),
        (f"/{STEADY}/api/v1/ChatTopic", 404),
    ],
)
async def test_an_unknown_path_or_tenant_is_an_error(path: str, status: int) -> None:
    """The body has the form of SuperOffice's errors."""
    answer = await ask(create_demo_app(), AUTH, path=path)

    assert answer.status_code == status
    assert answer.json()["Error"] is True


async def test_a_state_is_written_as_documented() -> None:
    """Times have seven digits of a second, and URLs may have a port."""
    answer: dict[str, Any] = (
        await ask(create_demo_app(clock=Clock()), {}, path=f"/api/state/{STEADY}")
    ).json()

    assert answer == {
        "ContextIdentifier": STEADY,
        "Endpoint": f"https://online1.superoffice.com:443/{STEADY}",
        "State": "Running",
        "IsRunning": True,
        "ValidUntil": "2026-11-23T11:10:00.0000000Z",
        "Api": f"https://online1.superoffice.com/{STEADY}/api",
    }


@pytest.mark.socket
async def test_the_demos_network_leads_every_host_to_loopback() -> None:
    """The server reads the intended host from the Host header."""
    with served(create_demo_app()) as url:
        service = StateService(Settings(environment="online"), DemoNetwork(url))
        state = await service.read(STEADY)
        await service.aclose()

    assert state.url == f"https://online1.superoffice.com/{STEADY}"
