"""The supervisor of several worker processes, without a gateway in them."""

import errno
import multiprocessing
import multiprocessing.util
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.server import workers
from gateway.server.workers import Report as Reported
from gateway.server.workers import Workers
from tests.observe.logged import logged

pytestmark = pytest.mark.socket


Report = Callable[[Reported], None]


def greet(listener: socket.socket, report: Report) -> None:  # pragma: no cover - killed
    """Send the process id to each client, until SIGTERM."""
    report("")
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"%d" % os.getpid())


def greet_ignoring_signals(
    listener: socket.socket, report: Report
) -> None:  # pragma: no cover - killed
    """Send the process id to each client, and ignore signals."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    greet(listener, report)


def fail(listener: socket.socket, report: Report) -> None:  # pragma: no cover - in a process
    """Report why the start failed."""
    report(SettingsError("the disk is full"))


def crash(listener: socket.socket, report: Report) -> None:  # pragma: no cover - in a process
    """End without a report."""
    os._exit(7)


def greet_but_third(
    folder: Path, listener: socket.socket, report: Report
) -> None:  # pragma: no cover
    """Send the process id to each client, but fail at the third start of all."""
    number = len(list(folder.iterdir()))
    (folder / str(os.getpid())).touch()
    if number == 2:
        report(SettingsError("the disk is full"))
    else:
        greet(listener, report)


def greet_once(file: Path, listener: socket.socket, report: Report) -> None:  # pragma: no cover
    """Send the process id to each client, but fail at the second start."""
    if file.exists():
        report(SettingsError("the disk is full"))
    else:
        file.touch()
        greet(listener, report)


def end_with(code: int) -> None:  # pragma: no cover - in a process
    """End this process: with SIGKILL for -9."""
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


def greet_but_second(
    folder: Path, code: int, listener: socket.socket, report: Report
) -> None:  # pragma: no cover
    """Send the process id to each client, but end at the second start."""
    number = len(list(folder.iterdir()))
    (folder / str(os.getpid())).touch()
    if number == 1:
        end_with(code)
    greet(listener, report)


def refuse(*arguments: object) -> int:
    """Fail as the kernel does when it can make no process."""
    raise BlockingIOError(errno.EAGAIN, "No room")


def answering_pid(address: tuple[str, int]) -> int:
    """Return the process id of the worker that answers."""
    with socket.create_connection(address, 10) as connection:
        return int(connection.recv(100) or b"0")  # 0: the worker ended meanwhile


def answering_pids(listener: socket.socket, count: int, known: Collection[int] = ()) -> set[int]:
    """Return the processes that have answered, once there are this many with the known ones."""
    pids = set(known)
    while len(pids) < count:
        pids |= {answering_pid(listener.getsockname())} - {0}
    return pids


def stop_after(action: Callable[[], None]) -> threading.Thread:
    """Call a function in a thread, and then send SIGTERM to this process."""

    def run() -> None:
        try:
            action()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_worker_that_ends_is_replaced() -> None:
    """A worker that ends is replaced, and the signal handlers are restored at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    pids: list[int] = []

    def kill_one() -> None:
        pids.append(answering_pid(address))
        os.kill(pids[0], signal.SIGKILL)
        while len(pids) < 2 or pids[-1] in {pids[0], 0}:
            pids.append(answering_pid(address))

    before = signal.getsignal(signal.SIGTERM)
    with logged() as log:
        thread = stop_after(kill_one)
        Workers(greet, listener, count=1, timeout_s=10).run()
        thread.join()

    [warning] = log.events
    assert warning["event"] == f"worker {pids[0]} ended with code -9: another one starts"
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(ConnectionRefusedError):
        answering_pid(address)


def test_a_failed_replacement_is_retried_while_another_worker_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replacement that fails is retried after a pause."""
    monkeypatch.setattr(workers, "_PAUSE_S", 0)
    listener = socket.create_server(("127.0.0.1", 0))

    def kill_one() -> None:
        pids = answering_pids(listener, 2)
        os.kill(max(pids), signal.SIGKILL)
        answering_pids(listener, 3, pids)

    with logged() as log:
        thread = stop_after(kill_one)
        Workers(partial(greet_but_third, tmp_path), listener, count=2, timeout_s=10).run()
        thread.join()

    assert log.events[-1]["event"] == "the disk is full: another one starts"


@pytest.mark.parametrize("code", [-9, 1])
def test_a_replacement_that_ends_without_a_reason_is_replaced(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lack of memory or threads may be over soon, though it has ended all workers."""
    monkeypatch.setattr(workers, "_PAUSE_S", 0)
    listener = socket.create_server(("127.0.0.1", 0))

    def kill_one() -> None:
        [pid] = answering_pids(listener, 1)
        os.kill(pid, signal.SIGKILL)
        answering_pids(listener, 2, {pid})

    with logged() as log:
        thread = stop_after(kill_one)
        serve = partial(greet_but_second, tmp_path, code)
        Workers(serve, listener, count=1, timeout_s=10).run()
        thread.join()

    assert f"ended with code {code} before it served: another one starts" in log.events[-1]["event"]


def test_a_process_that_cannot_be_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for a process, a file or memory, the other workers serve on."""
    monkeypatch.setattr(workers, "_PAUSE_S", 0.1)
    listener = socket.create_server(("127.0.0.1", 0))

    with logged() as log:

        def kill_one() -> None:
            pids = answering_pids(listener, 2)
            with monkeypatch.context() as patch:
                patch.setattr(multiprocessing.util, "spawnv_passfds", refuse)
                os.kill(max(pids), signal.SIGKILL)
                while "cannot be started" not in log.getvalue():
                    time.sleep(0.01)
            answering_pids(listener, 3, pids)

        thread = stop_after(kill_one)
        Workers(greet, listener, count=2, timeout_s=10).run()
        thread.join()

    assert log.events[1]["event"] == "a worker cannot be started: No room"
    assert {line["level"] for line in log.events} == {"warning"}


def test_a_removed_working_directory_stops_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release's folder may be removed while it runs; another user's may be closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    (tmp_path / "release").mkdir()
    monkeypatch.chdir(tmp_path / "release")
    (tmp_path / "release").rmdir()

    def wait_for_one() -> None:
        answering_pids(listener, 1)

    thread = stop_after(wait_for_one)
    Workers(greet, listener, count=1, timeout_s=10).run()
    thread.join()


def test_no_signal_waits_for_the_pause_before_a_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM ends the other workers at once."""
    monkeypatch.setattr(workers, "_PAUSE_S", 3_600)
    listener = socket.create_server(("127.0.0.1", 0))

    with logged() as log:

        def kill_one() -> None:
            os.kill(max(answering_pids(listener, 2)), signal.SIGKILL)
            while "the disk is full" not in log.getvalue():
                time.sleep(0.01)

        thread = stop_after(kill_one)
        Workers(partial(greet_but_third, tmp_path), listener, count=2, timeout_s=10).run()
        thread.join()

    assert len(list(tmp_path.iterdir())) == 3


def test_workers_that_do_not_end_are_killed() -> None:
    """Workers that do not end in time are killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    pids: list[int] = []

    def send_sigterm_early() -> None:
        pids.append(answering_pid(address))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)

    # On a slow machine the second signal arrives when no worker is left.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with logged() as log:
        thread = stop_after(send_sigterm_early)
        Workers(greet_ignoring_signals, listener, count=1, timeout_s=0.6).run()
        thread.join()
    signal.signal(signal.SIGTERM, before)

    killed = [one for one in log.events if one["event"] == "workers that do not end are killed"]
    assert killed == log.events[-1:]
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@pytest.mark.parametrize(
    ("serve", "message", "code"),
    [(fail, "the disk is full", 2), (crash, r"worker \d+ ended with code 7 before it served", 1)],
)
def test_workers_that_cannot_start_end_the_supervisor(serve: Any, message: str, code: int) -> None:
    """If no worker can start, the supervisor ends with the reason; without one, a retry helps."""
    listener = socket.create_server(("127.0.0.1", 0))
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SettingsError, match=f"^{message}$") as caught:
        Workers(serve, listener, count=2, timeout_s=10).run()

    assert caught.value.exit_code == code
    assert signal.getsignal(signal.SIGTERM) == before
    assert not multiprocessing.active_children()


def test_a_first_process_that_cannot_be_made_ends_the_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason is printed, and the signal handlers are restored."""
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", refuse)
    listener = socket.create_server(("127.0.0.1", 0))
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(SettingsError, match=r"^a worker cannot be started: No room$"):
        Workers(greet, listener, count=2, timeout_s=10).run()

    assert signal.getsignal(signal.SIGINT) == before


def test_a_failed_replacement_of_the_only_worker_ends_the_supervisor(tmp_path: Path) -> None:
    """If the only worker cannot be replaced, the supervisor ends with the reason."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def kill_one() -> None:
        os.kill(answering_pid(address), signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    with pytest.raises(SettingsError, match="the disk is full"):
        Workers(partial(greet_once, tmp_path / "a"), listener, count=1, timeout_s=10).run()
    thread.join()


NO_SOCKET: Any = None


def forget(supervisor: Workers, report: Reported | None) -> None:
    """Have a supervisor notice the end of a worker after this report; another worker serves."""
    process, other = SpawnProcess(), SpawnProcess()
    supervisor._reported[other] = ""
    supervisor._reports[process], _ = multiprocessing.Pipe(duplex=False)
    if report is not None:
        supervisor._reported[process] = report
    supervisor._forget(process)


def test_a_pause_follows_a_worker_that_has_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails at each start takes little time; one that served is replaced at once."""
    monkeypatch.setattr(workers, "_PAUSE_S", 3_600)
    supervisor = Workers(greet, NO_SOCKET, count=2, timeout_s=10, _is_ready=True)
    waits = []
    for report in ("", None, SettingsError("the disk is full")):
        forget(supervisor, report)
        waits.append(supervisor._starts_at > time.monotonic() + 1_000)

    assert waits == [False, True, True]


def test_a_first_worker_that_cannot_start_ends_all() -> None:
    """The start has failed, though another worker serves."""
    supervisor = Workers(greet, NO_SOCKET, count=2, timeout_s=10)

    with pytest.raises(SettingsError, match="the disk is full"):
        forget(supervisor, SettingsError("the disk is full"))
