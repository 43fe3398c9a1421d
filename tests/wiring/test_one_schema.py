"""The tests build the schema once for gateways with the same settings, to be fast."""

from typing import Any

from gateway import Settings
from gateway.wiring.gateway import Gateway
from tests.support import UPSTREAM_URL


def schema_with(**settings: Any) -> object:
    """Return the schema of a new gateway."""
    return Gateway(Settings(upstream_url=UPSTREAM_URL, **settings)).schema


def test_gateways_share_a_schema_unless_it_differs() -> None:
    """A random secret makes no difference; a configured one does."""
    shared = schema_with()

    assert schema_with() is shared
    assert schema_with(max_depth=3) is not shared
    assert schema_with(cache_secret="s" * 32) is not shared
