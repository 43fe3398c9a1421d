"""uvicorn's HTTP protocol as the gateway runs it: limits, upgrades and cached answers together."""

from typing import Any

from gateway.server import uvicorn_hooks  # noqa: F401  fails on a uvicorn that lacks a hook
from gateway.server.fast_lane import FastLaneProtocol
from gateway.server.http_1_0 import without_chunks
from gateway.server.limits import LimitedProtocol
from gateway.server.upgrade import UpgradeProtocol


class GatewayProtocol(UpgradeProtocol, FastLaneProtocol, LimitedProtocol):
    """One connection to a client."""

    def _call(self, cycle: Any, app: Any) -> None:
        is_old = cycle.scope["http_version"] == "1.0"
        super()._call(cycle, without_chunks(app, cycle) if is_old else app)
