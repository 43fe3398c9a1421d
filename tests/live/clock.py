"""A desk whose time a test sets, and that counts the watchers' wake-ups."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.live.state import Alarm
from gateway.live.watcher import Watcher
from tests.live.desk import Desk, Json, Screen
from tests.schema.selecting.desk import NOON_NS


class Clock:
    """A desk that is polled once an hour, and its time; counts the wake-ups."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *sessions: Json, since_ns: int = NOON_NS
    ) -> None:
        self.desk = Desk(list(sessions), interval_s=3_600, slowest_s=3_600, since_ns=since_ns)
        self.wakes = 0
        states = Watcher.states

        async def counting_states(watcher: Watcher, alarm: Alarm) -> AsyncGenerator[Any, None]:
            async for state in states(watcher, alarm):
                self.wakes += 1
                yield state

        monkeypatch.setattr(Watcher, "states", counting_states)
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: time.monotonic() + self.desk.ahead_s)

    @asynccontextmanager
    async def screen(self, query: str) -> AsyncIterator[Screen]:
        """Subscribe, and wait for the first event."""
        async with self.desk.screen(query) as screen:
            await screen.shows(1)
            yield screen

    async def at(self, seconds: float) -> None:
        """Set the time to so many seconds after the start, and run what is due."""
        self.desk.ahead_s = seconds
        for _ in range(20):
            await asyncio.sleep(0.001)
