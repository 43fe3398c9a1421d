"""Fixtures for the tests of live updates."""

from collections.abc import Callable
from functools import partial

import pytest

from gateway.sessions import source
from tests.live.clock import Clock


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    """Return a factory of desks with a clock."""
    return partial(Clock, monkeypatch)


@pytest.fixture(autouse=True)
def any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each poll call SuperOffice, also within a second of the last call."""
    monkeypatch.setattr(source, "_SHORTEST_AGE_S", 0.0)
