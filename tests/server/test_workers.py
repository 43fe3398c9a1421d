"""What watches over several processes, without a gateway in them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from gateway.server.workers import Workers
from tests.observe.logged import logged

pytestmark = pytest.mark.socket


def greet(listener: socket.socket) -> None:  # pragma: no cover - in processes that are killed
    """Say who answers to everybody who connects, until SIGTERM."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"%d" % os.getpid())


def greet_for_good(listener: socket.socket) -> None:  # pragma: no cover - likewise
    """Do the same, and let nobody stop it."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    greet(listener)


def answered(address: tuple[str, int]) -> int:
    """Return the process that answers."""
    with socket.create_connection(address, 10) as connection:
        return int(connection.recv(100))


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


def test_a_worker_that_ends_is_replaced_until_all_are_to_end() -> None:
    """Whatever it ended of; and the signals mean afterwards what they meant before."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: list[int] = []

    def kill_one() -> None:
        seen.append(answered(address))
        os.kill(seen[0], signal.SIGKILL)
        while len(seen) < 2 or seen[-1] == seen[0]:
            seen.append(answered(address))

    before = signal.getsignal(signal.SIGTERM)
    with logged() as log:
        thread = after(kill_one)
        Workers(greet, listener, count=1, patience_s=10).run()
        thread.join()

    [warning] = log.events
    assert warning["event"] == f"worker {seen[0]} ended with code -9: another one starts"
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(ConnectionRefusedError):
        answered(address)


def test_workers_that_do_not_end_are_killed() -> None:
    """In time, however often they are told; whoever waits for the port gets it."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    seen: list[int] = []

    def tell_early() -> None:
        seen.append(answered(address))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)

    with logged() as log:
        thread = after(tell_early)
        Workers(greet_for_good, listener, count=1, patience_s=0.6).run()
        thread.join()

    assert log.events[-1]["event"] == "workers that do not end are killed"
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)
