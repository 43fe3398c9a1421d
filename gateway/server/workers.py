"""Several processes that serve one port, and what watches over them.

uvicorn's own supervisor can start plain uvicorn servers alone, which do not drain; and it keeps the
port open until the last of them has ended, so that clients connect to nobody.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

__all__ = ["Workers"]

_TICK_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(__name__)


class Workers:
    """Processes that each run `serve` on the listener; one that ends is replaced.

    The first SIGINT or SIGTERM ends them all, by SIGTERM; a later one hurries them, by SIGUSR1. Who
    signals the whole group, as terminals and systemd do, reaches them by itself, so that neither
    may mean more when it comes twice.
    """

    def __init__(
        self,
        serve: Callable[[socket.socket], None],
        listener: socket.socket,
        *,
        count: int,
        patience_s: float,
    ) -> None:
        self._serve = serve
        self._listener = listener
        self._count = count
        self._patience_s = patience_s
        self._processes: list[SpawnProcess] = []
        self._signals: list[int] = []

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, and until all of them have ended."""
        before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        try:
            self._processes = [self._start() for _ in range(self._count)]
            while not self._signals:
                wait([process.sentinel for process in self._processes], _TICK_S)
                self._processes = [self._kept(process) for process in self._processes]
            self._stop()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _start(self) -> SpawnProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=self._serve, args=(self._listener,)
        )
        # Ctrl+C, which all get, ends those that are not up yet with a traceback each.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.start()
        signal.signal(signal.SIGINT, before)
        return process

    def _kept(self, process: SpawnProcess) -> SpawnProcess:
        if process.is_alive() or self._signals:
            return process
        logger.warning("worker %s ended with code %s: another one starts", *_told(process))
        return self._start()

    def _stop(self) -> None:
        """End all workers; those that take longer than they should are killed."""
        self._listener.close()
        self._signals.pop(0)
        self._send(signal.SIGTERM)
        ends_at = time.monotonic() + self._patience_s
        while alive := [process for process in self._processes if process.is_alive()]:
            wait([process.sentinel for process in alive], _TICK_S)
            while self._signals:
                self._signals.pop(0)
                self._send(signal.SIGUSR1)
            if time.monotonic() > ends_at:
                logger.error("workers that do not end are killed")
                self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes:
            if process.is_alive():
                os.kill(process.pid or 0, number)


def _told(process: SpawnProcess) -> tuple[int | None, int | None]:
    return process.pid, process.exitcode
