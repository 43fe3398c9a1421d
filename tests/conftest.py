"""Fixtures that every ring of the tests uses."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support import Gateway, RestSide, gateway_over


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what uvicorn runs the gateway on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)  # pragma: no cover - where there are any
    yield


@pytest.fixture
def rest() -> RestSide:
    """Return a REST side that answers with one plain session until it is told otherwise."""
    return RestSide()


@pytest.fixture
async def gateway(rest: RestSide) -> AsyncIterator[Gateway]:
    """Return a gateway with default settings over `rest`, in process."""
    async with gateway_over(rest) as running:
        yield running
