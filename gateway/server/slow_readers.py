"""Limits on the memory of answers that clients have not read yet, and on the time to read them."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gateway.caller import STRANGERS
from gateway.executor.turns import share_of
from gateway.web.edge import Edge
from gateway.web.inbound import find_inbound

_READER_TIMEOUT_S = 30


class SlowReaderProtocol(asyncio.Protocol):
    """Counts a connection's unsent bytes while its client reads slower than answers are written."""

    app: Any
    scope: Any
    transport: asyncio.Transport

    edge: Edge | None = None
    """The parts of our application; None with any other one."""

    partly_sent_bytes = 0
    """The size of the messages that were not sent at once: each is held until its last byte."""

    is_paused = False
    """Whether messages have to wait until the client reads."""

    _waiting_bytes = 0
    """The size of the messages that wait until the client reads."""

    @property
    def share(self) -> str:
        """The share of the caller of the last request."""
        inbound = find_inbound(self.scope or {})
        return share_of(inbound.owner) if inbound else STRANGERS

    @property
    def unsent_bytes(self) -> int:
        """The size of everything that is held until the client has read it."""
        unsent = max(self.transport.get_write_buffer_size(), self.partly_sent_bytes)
        return unsent + self._waiting_bytes

    @contextmanager
    def sending(self, size_bytes: int) -> Iterator[None]:
        """Count a message that the block sends, while it waits and until its last byte is sent."""
        waiting_bytes = size_bytes if self.is_paused else 0
        self._waiting_bytes += waiting_bytes
        try:
            if waiting_bytes:
                self.count_unsent()
            yield
        finally:
            self._waiting_bytes -= waiting_bytes
        if self.is_paused:
            self.partly_sent_bytes += size_bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find the application's limit, and set that of the system."""
        super().connection_made(transport)
        _limit_time_to_read(transport)
        self.edge = getattr(getattr(self.app, "state", None), "edge", None)

    def pause_writing(self) -> None:
        """Count the unsent bytes; past the limit, a connection is reset."""
        super().pause_writing()
        self.is_paused = True
        self.count_unsent()

    def count_unsent(self) -> None:
        """Count the unsent bytes in the share of the caller."""
        if self.edge is not None:
            self.edge.unsent_limit.add(self, self.share)

    def resume_writing(self) -> None:
        """Count the unsent bytes no longer."""
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the unsent bytes no longer."""
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        self.is_paused, self.partly_sent_bytes = False, 0
        if self.edge is not None:
            self.edge.unsent_limit.discard(self)


def _limit_time_to_read(transport: asyncio.BaseTransport) -> None:
    """Have the system reset a connection whose client does not read its answer (RFC 5482).

    Only the system knows what the client has received. Its limit also holds for connections that
    are being closed.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # pragma: no branch - Linux
        with suppress(OSError):  # a unix socket has none
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_READER_TIMEOUT_S * 1000)
            )
