"""The supervisor of several processes, without a gateway in them."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.server import workers
from gateway.server.workers import Workers
from tests.observe.logged import logged

pytestmark = pytest.mark.socket


Report = Callable[[str], None]


def greet(listener: socket.socket, report: Report) -> None:  # pragma: no cover - killed
    """Send the process id to each client, until SIGTERM."""
    report("")
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"%d" % os.getpid())


def greet_for_good(listener: socket.socket, report: Report) -> None:  # pragma: no cover - killed
    """Do the same, and ignore signals."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    greet(listener, report)


def fail(listener: socket.socket, report: Report) -> None:  # pragma: no cover - in a process
    """Report why the start failed."""
    report("the disk is full")


def crash(listener: socket.socket, report: Report) -> None:  # pragma: no cover - in a process
    """End without a report."""
    os._exit(7)


def greet_but_third(
    folder: Path, listener: socket.socket, report: Report
) -> None:  # pragma: no cover
    """Fail at the third start of all."""
    number = len(list(folder.iterdir()))
    (folder / str(os.getpid())).touch()
    if number == 2:
        report("the disk is full")
    else:
        greet(listener, report)


def greet_first(file: Path, listener: socket.socket, report: Report) -> None:  # pragma: no cover
    """Be able to start only once."""
    if file.exists():
        report("the disk is full")
    else:
        file.touch()
        greet(listener, report)


def answered(address: tuple[str, int]) -> int:
    """Return the process that answers."""
    with socket.create_connection(address, 10) as connection:
        return int(connection.recv(100) or b"0")  # 0: by one that ended meanwhile


def after(action: Callable[[], None]) -> threading.Thread:
    """Do something, and then end this process's workers."""

    def run() -> None:
        try:
            action()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_worker_that_ends_is_replaced() -> None:
    """At the end the signal handlers are restored."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: list[int] = []

    def kill_one() -> None:
        seen.append(answered(address))
        os.kill(seen[0], signal.SIGKILL)
        while len(seen) < 2 or seen[-1] in {seen[0], 0}:
            seen.append(answered(address))

    before = signal.getsignal(signal.SIGTERM)
    with logged() as log:
        thread = after(kill_one)
        Workers(greet, listener, count=1, timeout_s=10).run()
        thread.join()

    [warning] = log.events
    assert warning["event"] == f"worker {seen[0]} ended with code -9: another one starts"
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(ConnectionRefusedError):
        answered(address)


def test_while_another_one_serves_a_replacement_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been killed for its memory; the next one starts after a pause."""
    monkeypatch.setattr(workers, "_PAUSE_S", 0)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: set[int] = set()

    def kill_one() -> None:
        for known in (2, 3):
            while len(seen - {0}) < known:
                seen.add(answered(address))
            if known == 2:
                os.kill(max(seen), signal.SIGKILL)

    with logged() as log:
        thread = after(kill_one)
        Workers(partial(greet_but_third, tmp_path), listener, count=2, timeout_s=10).run()
        thread.join()

    assert log.events[-1]["event"] == "the disk is full: another one starts"


def test_no_signal_waits_for_the_pause_before_a_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM ends the others at once."""
    monkeypatch.setattr(workers, "_PAUSE_S", 3_600)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: set[int] = set()

    with logged() as log:

        def kill_one() -> None:
            while len(seen - {0}) < 2:
                seen.add(answered(address))
            os.kill(max(seen), signal.SIGKILL)
            while "the disk is full" not in log.getvalue():
                time.sleep(0.01)

        thread = after(kill_one)
        Workers(partial(greet_but_third, tmp_path), listener, count=2, timeout_s=10).run()
        thread.join()

    assert len(list(tmp_path.iterdir())) == 3


def test_workers_that_do_not_end_are_killed() -> None:
    """In time, and the port is free."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: list[int] = []

    def tell_early() -> None:
        seen.append(answered(address))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)

    # On a slow machine the second signal comes when no worker is left to be told.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with logged() as log:
        thread = after(tell_early)
        Workers(greet_for_good, listener, count=1, timeout_s=0.6).run()
        thread.join()
    signal.signal(signal.SIGTERM, before)

    assert log.events[-1]["event"] == "workers that do not end are killed"
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


@pytest.mark.parametrize(
    ("serve", "message"),
    [(fail, "the disk is full"), (crash, r"worker \d+ ended with code 7 before it served")],
)
def test_workers_that_cannot_start_end_the_whole(serve: Any, message: str) -> None:
    """Their replacements would do the same, over and over."""
    listener = socket.create_server(("127.0.0.1", 0))
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SettingsError, match=f"^{message}$"):
        Workers(serve, listener, count=2, timeout_s=10).run()

    assert signal.getsignal(signal.SIGTERM) == before
    assert not multiprocessing.active_children()


def test_a_replacement_that_cannot_start_ends_the_whole(tmp_path: Path) -> None:
    """The others drain first."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def kill_one() -> None:
        os.kill(answered(address), signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    with pytest.raises(SettingsError, match="the disk is full"):
        Workers(partial(greet_first, tmp_path / "a"), listener, count=1, timeout_s=10).run()
    thread.join()
