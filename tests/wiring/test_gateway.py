"""The parts of a gateway: their end, and their checks at the start."""

import asyncio

import httpx
import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.store import single_flight
from gateway.upstream.transport import PooledTransport
from gateway.wiring.gateway import Gateway
from tests.observe.logged import logged
from tests.support import UPSTREAM_URL


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`asyncio.wait_for` of Python 3.11 can swallow one, and the process must still end."""
    monkeypatch.setattr(single_flight, "_CANCEL_AGAIN_S", 0.01)
    parts = Gateway(Settings(upstream_url=UPSTREAM_URL))
    cancellations: list[bool] = []

    async def stubborn() -> None:
        while len(cancellations) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations.append(True)

    parts._background.append(stubborn)
    async with asyncio.timeout(5), parts.running():
        await asyncio.sleep(0)

    assert len(cancellations) == 2


async def test_a_background_task_that_fails_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway serves on, without what the task did."""
    parts = Gateway(Settings(upstream_url=UPSTREAM_URL))

    async def fail() -> None:
        raise ZeroDivisionError

    parts._background.append(fail)
    monkeypatch.setattr(asyncio.get_running_loop(), "_exception_handler", None)  # pytest's
    with logged() as log:
        async with parts.running():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            [event] = log.events

    assert event["level"] == "error"
    assert "ZeroDivisionError" in event["exception"]


def test_a_custom_transport_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's tenants start even if the proxy in the environment is not supported."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    settings = Settings(environment="sod")

    with pytest.raises(SettingsError, match="HTTPS_PROXY"):
        Gateway(settings)
    Gateway(settings, httpx.MockTransport(lambda _: httpx.Response(200)))


def test_traced_answers_take_no_shortcut() -> None:
    """A cached answer has spans, too, which our server does not make."""
    fast, traced = (
        Gateway(Settings(upstream_url=UPSTREAM_URL, tracing=on)) for on in (False, True)
    )

    assert [fast.edge.has_fast_lane, traced.edge.has_fast_lane] == [True, False]


async def test_a_tenant_that_moves_leaves_no_connections_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those to its old address are closed; a replaced network, which all tenants share, is not."""
    closed: list[httpx.AsyncBaseTransport] = []

    async def close(network: httpx.AsyncBaseTransport) -> None:
        closed.append(network)

    monkeypatch.setattr(httpx.AsyncBaseTransport, "aclose", close)
    monkeypatch.setattr(PooledTransport, "aclose", close)
    for network in (None, httpx.MockTransport(lambda _: httpx.Response(200))):
        upstreams = Gateway(Settings(environment="sod"), network).upstreams
        await upstreams._client("https://sod.invalid/Cust1", "Cust1").aclose()

    assert [type(network) for network in closed] == [PooledTransport]


async def test_a_notified_tenant_leaves_the_rhythm_of_others_alone() -> None:
    """A tenant without webhooks is polled at its own intervals."""
    gateway = Gateway(
        Settings(environment="sod"), httpx.MockTransport(lambda _: httpx.Response(200))
    )
    watchers = []
    for name in ("Cust1", "Cust2"):
        source = gateway.upstreams.source_of(name)
        assert source is not None
        watchers.append(gateway.watchers_of(source))

    watchers[0].refresh(0)

    assert [one._rhythm.is_notified for one in watchers] == [True, False]
