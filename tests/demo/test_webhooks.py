"""The webhooks of the demo server: their events, signatures and receiver."""

import asyncio
import base64
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.demo import webhooks
from gateway.demo.desk import Desk
from gateway.demo.sessions import session_record
from gateway.demo.users import DEMO_USERS
from gateway.demo.webhooks import ONLY_TENANT, Hook, Webhooks
from gateway.demo.wire import Wire
from tests.demo.asking import NOON
from tests.observe.logged import logged
from tests.waiting import until

URL = "http://gateway.invalid/webhooks/superoffice"
DESK = Desk(sessions=24, seed=3)


def visible_sessions(now: int) -> dict[int, Any]:
    """Return the sessions that any user sees at a second."""
    moments = (moment for user in DEMO_USERS for moment in DESK.moments(user, now))
    return {moment.session_id: session_record(moment, Wire()) for moment in moments}


def expected_events(before: int, now: int) -> set[tuple[str, int]]:
    """Return the events that explain the difference between two answers."""
    earlier, later = visible_sessions(before), visible_sessions(now)
    events = {("chatsession.created", key) for key in later if key not in earlier}
    for key in later.keys() & earlier.keys():
        if earlier[key]["Status"] != later[key]["Status"]:
            events.add(("chatsession.changed", key))
        if earlier[key]["WhenIdle"] != later[key]["WhenIdle"]:
            events.add(("chatsession.message", key))
    return events


def test_each_event_is_sent_once() -> None:
    """Arrivals, changes of status and messages have events, and nothing else has."""
    hooks = Webhooks(DESK, Hook("secret", URL), tenant=ONLY_TENANT, clock=lambda: NOON)
    names = set()
    for before, now in itertools.pairwise(range(NOON, NOON + 120)):
        events = list(hooks.events(before, now))
        keys = [(event["Event"], event["PrimaryKey"]) for event in events]
        names |= {name for name, _ in keys}

        assert sorted(keys) == sorted(expected_events(before, now))

    assert names == {"chatsession.created", "chatsession.changed", "chatsession.message"}


class Ticks:
    """A clock that alternates between the end and the start of a second, and advances quickly."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> float:
        """Return the time."""
        self.calls += 1
        return NOON + 5 * (self.calls // 2) + (0.999 if self.calls % 2 == 0 else 0.0)


@asynccontextmanager
async def sending(hook: Hook, handle: Callable[[httpx.Request], Any]) -> AsyncIterator[None]:
    """Send webhooks until the context ends."""
    transport = httpx.MockTransport(handle)
    running = asyncio.create_task(
        Webhooks(DESK, hook, tenant=ONLY_TENANT, clock=Ticks(), transport=transport).run()
    )
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_webhook_is_signed_over_its_bytes() -> None:
    """A webhook is signed with the shared secret, as SuperOffice does."""
    requests = asyncio.Queue[httpx.Request]()

    def accept(request: httpx.Request) -> httpx.Response:
        requests.put_nowait(request)
        return httpx.Response(200)

    async with sending(Hook("hunter2", URL), accept):
        request = await asyncio.wait_for(requests.get(), 5)

    signature = base64.b64decode(request.headers["x-superoffice-signature"])
    assert signature == hmac.digest(b"hunter2", request.content, "sha256")
    assert str(request.url) == URL
    assert json.loads(request.content)["ContextIdentifier"] == "Cust00000"


async def test_webhooks_wait_for_an_address() -> None:
    """The gateway's port is known only once it listens."""
    requests = asyncio.Queue[httpx.Request]()

    def accept(request: httpx.Request) -> httpx.Response:
        requests.put_nowait(request)
        return httpx.Response(200)

    hook = Hook("hunter2")
    async with sending(hook, accept):
        await asyncio.sleep(0.05)
        assert requests.empty()
        hook.url = URL
        await asyncio.wait_for(requests.get(), 5)


async def test_a_refused_webhook_is_sent_three_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After three failures of any kind it is dropped and logged."""
    monkeypatch.setattr(webhooks, "_WAITS_S", (0.0, 0.0, 0.0))
    attempts: dict[str, int] = {}
    last_attempt = asyncio.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        event = json.loads(request.content)["EventId"]
        attempts[event] = attempts.get(event, 0) + 1
        if attempts[event] == 2:
            raise httpx.ConnectError("refused")
        if attempts[event] == 3:
            last_attempt.set()
        return httpx.Response(503)

    with logged("warning") as log:
        async with sending(Hook("hunter2", URL), refuse):
            await asyncio.wait_for(last_attempt.wait(), 5)
            await until(lambda: "A webhook was not accepted: chatsession." in log.getvalue())

    assert max(attempts.values()) == 3
    assert "hunter2" not in log.getvalue()
