"""A limit on the memory of answers that clients have not read yet."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
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

    partly_sent_bytes = 0
    """The size of the last answer, if it was not sent at once: it is held until its last byte."""

    _waiting_bytes = 0
    """The size of the messages that wait until the client reads."""

    @property
    def unsent_bytes(self) -> int:
        """The size of everything that is held until the client has read it."""
        unsent = max(self.transport.get_write_buffer_size(), self.partly_sent_bytes)
        return unsent + self._waiting_bytes

    @contextmanager
    def waiting(self, size_bytes: int) -> Iterator[None]:
        """Count a message that waits in the block until the client reads."""
        self._waiting_bytes += size_bytes
        try:
            if size_bytes:
                self.count_unsent()
            yield
        finally:
            self._waiting_bytes -= size_bytes

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
        self.partly_sent_bytes = 0
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the unsent bytes no longer."""
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        if self.edge is not None:
            self.edge.unsent_limit.discard(self)
