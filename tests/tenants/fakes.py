"""Stand-ins for the state service and the REST API."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.caller import Caller
from gateway.errors import GatewayError
from gateway.headers import Header
from gateway.tenants.state_service import StateService, TenantState
from tests.support import loaded

TENANT = "Cust12345"
START_S = 1_700_000_000.0


def running(host: str = "online1", *, good_for_s: float = 600) -> TenantState:
    """Make the state of a running tenant."""
    return TenantState("Running", f"https://{host}.superoffice.com/{TENANT}", good_for_s)


async def error_of(call: Coroutine[Any, Any, object]) -> BaseException | None:
    """Run a call that fails, and return its error.

    The error is not raised in the caller: Python 3.11 would stop tracing, and coverage counting,
    it.
    """
    task = asyncio.create_task(call)
    await asyncio.wait({task})
    return task.exception()


class FakeService(StateService):
    """A state service that gives the same answer for every tenant, once `is_open` is set."""

    def __init__(self) -> None:
        self.settings = loaded({"environment": "sod"})
        self.answer: TenantState | GatewayError = running()
        self.tenants_read = list[str]()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_closed = False

    async def read(self, tenant: str, *, is_known: bool = False) -> TenantState:
        self.tenants_read.append(tenant)
        await self.is_open.wait()
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class FakeClient:
    """The REST API at one address: returns the address, or raises its entry in `errors`."""

    url: str
    errors: dict[str, GatewayError]
    is_open: asyncio.Event
    calls: int = 0
    is_closed: bool = False

    async def fetch(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        assert not self.is_closed
        self.calls += 1
        await self.is_open.wait()
        if self.url in self.errors:
            raise self.errors[self.url]
        return self.url.encode()

    async def aclose(self) -> None:
        assert not self.is_closed
        self.is_closed = True
