"""A limit on the memory of answers that clients have not read yet."""

import asyncio
from typing import Any

from gateway.caller import STRANGERS
from gateway.executor.turns import share_of
from gateway.web.edge import Edge
from gateway.web.inbound import find_inbound


class SlowReaderProtocol(asyncio.Protocol):
    """Counts a connection's unsent bytes while its client reads slower than answers are written."""

    app: Any
    scope: Any
    transport: asyncio.Transport

    edge: Edge | None = None
    """The parts of our application; None with any other one."""

    waiting_bytes = 0
    """The size of the messages that wait until the client reads."""

    @property
    def unsent_bytes(self) -> int:
        """The size of everything that the client has not read."""
        return self.transport.get_write_buffer_size() + self.waiting_bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find the application's limit."""
        super().connection_made(transport)
        self.edge = getattr(getattr(self.app, "state", None), "edge", None)

    def pause_writing(self) -> None:
        """Count the unsent bytes; past the limit, a connection is reset."""
        super().pause_writing()
        self.count_unsent()

    def count_unsent(self) -> None:
        """Count the unsent bytes in the share of the caller."""
        if self.edge is not None:
            inbound = find_inbound(self.scope or {})
            self.edge.unsent_limit.add(self, share_of(inbound.owner) if inbound else STRANGERS)

    def resume_writing(self) -> None:
        """Count the unsent bytes no longer."""
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the unsent bytes no longer."""
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        if self.edge is not None:
            self.edge.unsent_limit.discard(self)
