"""Fixtures of the tests of the HTTP side."""

import functools

import pytest

from gateway import app
from gateway.schema.build import build_schema, sdl

_build_schema = functools.lru_cache(build_schema)
_sdl = functools.lru_cache(sdl)


@pytest.fixture(autouse=True)
def one_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build a schema once for all the gateways that have the same: it takes most of the time."""
    monkeypatch.setattr(app, "build_schema", _build_schema)
    monkeypatch.setattr(app, "sdl", _sdl)
