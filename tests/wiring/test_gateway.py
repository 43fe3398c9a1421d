"""The parts of a gateway: they end when they have to."""

import asyncio

import httpx
import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.store import single_flight
from gateway.wiring.gateway import Gateway
from tests.support import UPSTREAM_URL


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `asyncio.wait_for` of Python 3.11 can; the process must end all the same."""
    monkeypatch.setattr(single_flight, "_CANCEL_AGAIN_S", 0.01)
    parts = Gateway(Settings(upstream_url=UPSTREAM_URL))
    swallowed: list[bool] = []

    async def stubborn() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(True)

    parts._background.append(stubborn)
    async with asyncio.timeout(5), parts.running():
        await asyncio.sleep(0)

    assert len(swallowed) == 2


def test_a_transport_of_its_own_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's tenants start behind a proxy that SuperOffice could not be reached through."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    settings = Settings(environment="sod")

    with pytest.raises(SettingsError, match="HTTPS_PROXY"):
        Gateway(settings)
    Gateway(settings, httpx.MockTransport(lambda _: httpx.Response(200)))
