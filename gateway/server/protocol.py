"""uvicorn's HTTP protocol as the gateway runs it: limits, upgrades and cached answers together."""

from typing import Any

from gateway.server import uvicorn_hooks  # noqa: F401  fails on a uvicorn that lacks a hook
from gateway.server.fast_lane import FastLaneProtocol
from gateway.server.http_1_0 import without_chunks
from gateway.server.limits import LimitedProtocol
from gateway.server.upgrade import UpgradeProtocol


class GatewayProtocol(UpgradeProtocol, FastLaneProtocol, LimitedProtocol):
    """One connection; before the server stops, its next answer is its last one."""

    _is_draining = False

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._is_draining = not getattr(getattr(self.app, "state", None), "is_ready", True)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_draining:
            cycle.keep_alive = False
        if cycle.scope["http_version"] == "1.0":
            app = without_chunks(app, cycle)
        super()._start_asgi_task(cycle, app)

    def drain(self) -> None:
        """Make the next answer the last one on this connection, and say so in its headers."""
        self._is_draining = True
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False
