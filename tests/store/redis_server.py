"""A real Redis on a loopback port, which tests can pause, kill, fill and restart."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.store import shared
from gateway.wiring import live
from tests.ports import free_port

__all__ = ["RedisServer", "redis_server", "wait_for_redis"]

_PROGRAM = next((p for p in map(shutil.which, ("redis-server", "valkey-server")) if p), None)


@dataclass
class RedisServer:
    """One server, which loses its data when it is killed."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"
    options: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def pause(self) -> None:
        """Suspend the server, which then accepts connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the server."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start the server again, empty."""
        self.process = _started(self.port, self.folder, self.options)


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server until the end of the block."""
    if _PROGRAM is None:  # pragma: no cover - the gate installs it
        pytest.skip("there is no redis-server: apt-get install redis-server")
    port = free_port()
    server = RedisServer(port, folder, _started(port, folder, options), options)
    try:
        yield server
    finally:
        server.kill()


def wait_for_redis(patch: pytest.MonkeyPatch) -> None:
    """Lengthen the timeouts of Redis for tests without an outage, as a machine may be slow."""
    patch.setattr(live, "_REDIS_TIMEOUT_S", 5)
    patch.setattr(shared, "_LONGEST_ROUND_TRIP_S", 5)


def _started(port: int, folder: Path, extra_options: Sequence[str]) -> "subprocess.Popen[bytes]":
    options = ("--bind", "127.0.0.1", "--save", "", "--dir", str(folder), "--loglevel", "warning")
    command = [str(_PROGRAM), "--port", str(port), *options, *extra_options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return process
        assert process.poll() is None, "redis-server did not start"
        time.sleep(0.01)
