"""The head and the body of an answer go out in one write."""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class OneWrite:
    """A transport that delays a head until its body follows, or the event loop's next iteration.

    uvicorn writes them separately, and uvloop makes each write a system call, which also wakes the
    client twice. Saves 20 to 30 µs an answer.
    """

    _transport: asyncio.Transport
    _loop: asyncio.AbstractEventLoop
    _head: bytes = b""

    def write(self, data: bytes) -> None:
        """Send bytes, after a delayed head; after the connection is lost, do nothing."""
        if self._transport.is_closing():
            return
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send a delayed head, and close the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:  # all other attributes of a transport
        return getattr(self._transport, name)
