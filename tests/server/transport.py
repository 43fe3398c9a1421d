"""A transport without a network."""

import asyncio
import socket
from typing import Any


class Transport(asyncio.Transport):
    """Records what is written; a test calls the protocol to simulate reads."""

    def __init__(self) -> None:
        super().__init__({"socket": socket.socket()})
        self.written = b""
        self.is_closed = self.is_paused = False
        self.protocol: asyncio.BaseProtocol | None = None

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.is_closed = True
        self.get_extra_info("socket").close()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
