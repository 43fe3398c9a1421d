"""The webhooks of the demo server: what they tell, how they are signed, and where they go."""

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

from gateway.demo import DEMO_USERS, webhooks
from gateway.demo.desk import Desk
from gateway.demo.sessions import session_record
from gateway.demo.webhooks import ONLY_TENANT, Hook, Webhooks
from gateway.demo.wire import Wire
from tests.demo.asking import NOON
from tests.observe.logged import logged
from tests.waiting import until

URL = "http://gateway.invalid/webhooks/superoffice"
DESK = Desk(sessions=24, seed=3)


def seen(now: int) -> dict[int, Any]:
    """Return the sessions that somebody sees at a second."""
    moments = (moment for user in DEMO_USERS for moment in DESK.moments(user, now))
    return {moment.session_id: session_record(moment, Wire()) for moment in moments}


def happened(before: int, now: int) -> set[tuple[str, int]]:
    """Tell what has happened by what REST shows."""
    was, shown = seen(before), seen(now)
    told = {("chatsession.created", key) for key in shown if key not in was}
    for key in shown.keys() & was.keys():
        if was[key]["Status"] != shown[key]["Status"]:
            told.add(("chatsession.changed", key))
        if was[key]["WhenIdle"] != shown[key]["WhenIdle"]:
            told.add(("chatsession.message", key))
    return told


def test_each_thing_that_happens_is_told_once() -> None:
    """Arrivals, changes of status and messages, and nothing else."""
    hooks = Webhooks(DESK, Hook("secret", URL), tenant=ONLY_TENANT, clock=lambda: NOON)
    names = set()
    for before, now in itertools.pairwise(range(NOON, NOON + 120)):
        events = list(hooks.events(before, now))
        told = [(event["Event"], event["PrimaryKey"]) for event in events]
        names |= {name for name, _ in told}

        assert sorted(told) == sorted(happened(before, now))

    assert names == {"chatsession.created", "chatsession.changed", "chatsession.message"}


class Ticks:
    """A clock that is always just before the next second, and then in it."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> float:
        """Return the time."""
        self.calls += 1
        return NOON + 5 * (self.calls // 2) + (0.999 if self.calls % 2 == 0 else 0.0)


@asynccontextmanager
async def sending(hook: Hook, handle: Callable[[httpx.Request], Any]) -> AsyncIterator[None]:
    """Have webhooks sent for a while."""
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
    """With the secret that both sides know, as SuperOffice does it."""
    got = asyncio.Queue[httpx.Request]()

    def take(request: httpx.Request) -> httpx.Response:
        got.put_nowait(request)
        return httpx.Response(200)

    async with sending(Hook("hunter2", URL), take):
        request = await asyncio.wait_for(got.get(), 5)

    signature = base64.b64decode(request.headers["x-superoffice-signature"])
    assert signature == hmac.digest(b"hunter2", request.content, "sha256")
    assert str(request.url) == URL
    assert json.loads(request.content)["ContextIdentifier"] == "Cust00000"


async def test_without_an_address_nothing_is_sent_until_there_is_one() -> None:
    """The gateway's port is known only when it listens."""
    got = asyncio.Queue[httpx.Request]()

    def take(request: httpx.Request) -> httpx.Response:
        got.put_nowait(request)
        return httpx.Response(200)

    hook = Hook("hunter2")
    async with sending(hook, take):
        await asyncio.sleep(0.05)
        assert got.empty()
        hook.url = URL
        await asyncio.wait_for(got.get(), 5)


async def test_a_webhook_that_is_not_taken_is_sent_three_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever keeps it from being taken; then it is given up."""
    monkeypatch.setattr(webhooks, "_WAITS_S", (0.0, 0.0, 0.0))
    tries: dict[str, int] = {}
    given_up = asyncio.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        event = json.loads(request.content)["EventId"]
        tries[event] = tries.get(event, 0) + 1
        if tries[event] == 2:
            raise httpx.ConnectError("refused")
        if tries[event] == 3:
            given_up.set()
        return httpx.Response(503)

    with logged("warning") as log:
        async with sending(Hook("hunter2", URL), refuse):
            await asyncio.wait_for(given_up.wait(), 5)
            await until(lambda: "A webhook was not accepted: chatsession." in log.getvalue())

    assert max(tries.values()) == 3
    assert "hunter2" not in log.getvalue()
