"""A network between client and gateway that can be cut, or lose its connections."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.ports import free_port

_LOOPBACK = "127.0.0.1"


class Network:
    """Forwards connections from one of its own ports to another port."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._port = free_port()
        self._open: list[socket.socket] = []
        self._lost: frozenset[socket.socket] = frozenset()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address of its own port."""
        return f"http://{_LOOPBACK}:{self._port}"

    def restore(self) -> None:
        """Open the port again."""
        listener = socket.create_server((_LOOPBACK, self._port))
        self._open = [listener]
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def cut(self) -> None:
        """Close the port and every connection."""
        with self._lock:
            opened, self._open = self._open, []
        _close(*opened)

    def lose(self) -> None:
        """Forward nothing more on the connections that are open, and close none of them."""
        with self._lock:
            self._lost = frozenset(self._open)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # cut
            while True:
                client, _ = listener.accept()
                pair = [client]
                with suppress(OSError):  # the gateway is down
                    pair.append(socket.create_connection((_LOOPBACK, self._to_port)))
                with self._lock:
                    is_open = len(pair) == 2 and listener in self._open
                    self._open += pair if is_open else []
                if not is_open:
                    _close(*pair)
                    continue
                for ends in (pair, pair[::-1]):
                    threading.Thread(target=self._pipe, args=ends, daemon=True).start()

    def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # cut
            while data := source.recv(65_536):
                if source not in self._lost:
                    target.sendall(data)
            if source not in self._lost:
                target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cut()


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):  # already closed
            one.shutdown(socket.SHUT_RDWR)
        one.close()
