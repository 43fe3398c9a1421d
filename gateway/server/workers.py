"""Several processes that serve one port, and their supervisor.

uvicorn's own supervisor starts plain uvicorn servers, which do not drain. It also keeps the port
open until the last of them has ended, so that clients connect and are never accepted.
"""

import contextlib
import logging
import math
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

from gateway.errors import CannotStartError, SettingsError
from gateway.server import signals
from gateway.server.signals import notify_systemd

_TICK_S = 0.2
_PAUSE_S = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Report: TypeAlias = SettingsError | Literal[""]
"""Why a worker cannot start; "" once it serves."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Workers:
    """Processes that each run `serve` on the listener; one that ends is replaced.

    The second argument of `serve` takes its report.

    What the supervisor sends to all of them when it gets a signal:

    * the first SIGTERM: SIGTERM, which begins their drain;
    * the first SIGINT: SIGTERM and SIGUSR2, which ends their drain;
    * a later SIGTERM: SIGUSR2;
    * a later SIGINT: SIGINT, which drops their requests once the drain has ended;
    * HUP and USR1: the same; but the HUP of a closed terminal counts as a SIGTERM.

    Terminals and systemd signal the whole group, so that a worker may get each signal twice; the
    second one must change nothing.
    """

    serve: Callable[[socket.socket, Callable[[Report], None]], None]
    listener: socket.socket
    count: int
    timeout_s: float
    when_ready: Callable[[], None] = lambda: None
    """Called once all serve."""

    _reports: dict[SpawnProcess, "Connection[Report, Report]"] = field(default_factory=dict)
    _reported: dict[SpawnProcess, Report] = field(default_factory=dict)
    _is_ready: bool = False
    _starts_at: float = 0
    """When the next worker may start, by `time.monotonic`."""

    _signals: list[int] = field(default_factory=list)
    _to_pass_on: list[signal.Signals] = field(default_factory=list)

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, and until all workers have ended.

        Raises:
            SettingsError: a worker reported why it cannot start, and no other one serves: the next
                one would fail, too.
            CannotStartError: one of the first workers ended for another reason.
        """
        numbers = (*_SIGNALS, *signals.HANDLED)
        before = {number: signal.signal(number, self._note) for number in numbers}
        self._signals += signals.early
        try:
            while not self._signals:
                while len(self._reports) < self.count and time.monotonic() >= self._starts_at:
                    self._start()
                wait([process.sentinel for process in self._reports], _TICK_S)
                for process in [process for process in self._reports if not process.is_alive()]:
                    self._forget(process)
                self._read_reports()
                while self._to_pass_on:
                    self._pass_on(self._to_pass_on.pop(0))
        finally:
            notify_systemd("STOPPING=1")
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in _SIGNALS or signals.is_hangup(number):
            self._signals.append(number)
        elif number != signals.USR2:
            self._to_pass_on.append(signal.Signals(number))

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Signals reach workers that have no handler yet: Ctrl+C would end each with a traceback.
        ignored = (signal.SIGINT, *signals.HANDLED)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
        try:
            _leave_closed_directory()
            reports, sender = context.Pipe(duplex=False)
            with sender:  # the worker's own is the only one left: it closes when the worker ends
                process = context.Process(target=self.serve, args=(self.listener, sender.send))
                process.start()
            self._reports[process] = reports
        except OSError as exc:  # too many processes or files, or no memory: it may not last
            problem = f"a worker cannot be started: {exc.strerror}"
            if not self._is_ready:
                raise CannotStartError(problem) from exc
            logger.warning(problem)
            self._starts_at = time.monotonic() + _PAUSE_S
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forget(self, ended: SpawnProcess) -> None:
        if self._signals:
            return
        self._read_reports()
        del self._reports[ended]
        how = f"worker {ended.pid} ended with code {ended.exitcode}"
        problem = self._reported.pop(ended, None)
        if problem is None:  # it lacked memory or threads, perhaps: that may not last
            how = f"{how} before it served"
            if not self._is_ready:
                raise CannotStartError(how)
        elif problem and not (self._is_ready and "" in self._reported.values()):
            raise problem
        logger.warning("%s: another one starts", problem or how)
        self._starts_at = time.monotonic() + (0 if problem == "" else _PAUSE_S)

    def _read_reports(self) -> None:
        for process, reports in self._reports.items():
            if process not in self._reported and reports.poll():
                with contextlib.suppress(EOFError):  # it has ended
                    self._reported[process] = reports.recv()
        if not self._is_ready and [*self._reported.values()] == [""] * self.count:
            self._is_ready = True
            self.when_ready()
            notify_systemd("READY=1")

    def _pass_on(self, number: signal.Signals) -> None:
        if number == signals.HUP:
            notify_systemd(signals.reloading())
        self._send(number)
        if number == signals.HUP:
            notify_systemd("READY=1")

    def _stop(self) -> None:
        """End all workers; kill those that do not end in time."""
        self.listener.close()
        first = self._signals[:1]
        handled = 0 if first == [signal.SIGINT] else len(first)  # Ctrl+C allows no delay
        self._send(signal.SIGTERM)
        ends_at = time.monotonic() + self.timeout_s
        while alive := [process.sentinel for process in self._reports if process.is_alive()]:
            wait(alive, _TICK_S)
            for place, number in enumerate(self._signals[handled:], handled):
                is_again = number == signal.SIGINT and place > 0
                self._send(signal.SIGINT if is_again else signal.SIGUSR2)
                handled = place + 1
            if time.monotonic() > ends_at:
                logger.error("workers that do not end are killed")
                self._send(signal.SIGKILL)
                ends_at = math.inf

    def _send(self, number: signal.Signals) -> None:
        for process in self._reports:
            if process.is_alive():
                os.kill(process.pid or 0, number)


def _leave_closed_directory() -> None:
    """Go to `/` if the working directory is removed, or closed to this user: workers enter it."""
    try:
        os.chdir(Path.cwd())
    except OSError:
        os.chdir("/")
