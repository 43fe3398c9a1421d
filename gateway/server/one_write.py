"""The head and the body of an answer in one write."""

import asyncio
from typing import Any


class OneWrite:
    """A transport that holds a head back until the body follows, or the turn of the loop ends.

    uvicorn writes them one after the other, and uvloop makes each write a system call, which also
    wakes the client twice. Saves 20 to 30 µs an answer.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send bytes, after the head that is held back."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held back, and close the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:  # whatever else a transport has
        return getattr(self._transport, name)
