"""Fixtures of the tests of live updates."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.live.clock import Clock


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    """Return what makes a desk with a clock."""
    return partial(Clock, monkeypatch)
