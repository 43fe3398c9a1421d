"""Signals that do not stop the server, and notifications to systemd.

HUP reloads, USR1 makes the log verbose for a while, USR2 ends the drain of a worker and is ignored
otherwise. By default each would end the process, and with it the requests in progress.
"""

import atexit
import contextlib
import os
import signal
import socket
import time

_NAMES = ("SIGHUP", "SIGUSR1", "SIGUSR2")
HUP, USR1, USR2 = (getattr(signal, name, None) for name in _NAMES)  # None on Windows
HANDLED = [number for number in (HUP, USR1, USR2) if number is not None]

early: list[int] = []
"""SIGTERMs that came before a server handled them; the server then stops as soon as it starts."""


def handle_early_signals() -> None:
    """Until a server handles signals, record SIGTERM, and ignore those that do not stop it.

    Without a handler, process 1 gets no SIGTERM, and any other leaves its socket and files behind.
    The handler only records the signal: an exception could interrupt anything, even an import.
    """
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    for number in HANDLED:  # in child processes, too
        signal.signal(number, signal.SIG_IGN)
    # While the interpreter ends, it resets handlers: a late signal would replace the exit code.
    for number in (signal.SIGTERM, signal.SIGINT, *HANDLED):
        atexit.register(signal.signal, number, signal.SIG_IGN)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


_had_terminal = _has_terminal()


def is_hangup(number: int) -> bool:
    """Return whether a signal is the HUP of a terminal that has closed: it stops the server."""
    return number == HUP and _had_terminal and not _has_terminal()


def reloading() -> str:
    """Return systemd's state for a reload that begins."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def notify_systemd(state: str) -> None:
    """Report a state to systemd, if it waits for that: sd_notify(3)."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(state.encode(), address.replace("@", "\0", 1))
