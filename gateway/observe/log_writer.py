"""The thread that writes the log, so that no request waits for a write.

A full pipe, a full disk or a dead reader would otherwise delay or break the code that logs.
"""

import atexit
import os
import select
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

_MOST_BYTES = 4 * 2**20
_LARGEST_BATCH = 64 * 2**10
_PIPE_BUF = 4_096
"""Workers share a pipe: Linux mixes no other writes into one of at most as many bytes."""

_BATCH_S = 0.02
_EXIT_S = 1.0


class LogWriter:
    """A text stream over a file descriptor; it never blocks and never raises.

    Lines wait in a queue that is bounded; those that do not fit or cannot be written are dropped
    and counted. At exit the queue is written for a second at most. The thread calls `on_loss` with
    the number of lines lost since its last call.
    """

    def __init__(self, fd: int, on_loss: Callable[[int], object]) -> None:
        self.fd = fd
        self._on_loss = on_loss
        self._queue: SimpleQueue[bytes] = SimpleQueue()  # reentrant, as signal handlers log too
        self._lock = threading.RLock()
        self._bytes = 0  # of the lines that are queued or being written
        self._is_mid_line = False  # whether the last write stopped within a line
        self.dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.wait)

    def write(self, text: str) -> None:
        """Queue whole lines, or drop them."""
        data = text.encode(errors="backslashreplace")
        with self._lock:
            if self._bytes + len(data) > _MOST_BYTES:
                self.dropped += 1
                return
            self._bytes += len(data)
        self._queue.put(data)

    def wait(self) -> None:
        """Return when all lines are written, or after a second."""
        ends_at = time.monotonic() + _EXIT_S
        while self._bytes and time.monotonic() < ends_at:
            time.sleep(_BATCH_S / 4)

    def _run(self) -> None:
        reported = 0
        while True:
            data = bytearray(self._queue.get())
            time.sleep(_BATCH_S)  # one write for many lines, and few thread switches
            while len(data) < _LARGEST_BATCH and not self._queue.empty():
                data += self._queue.get()
            is_written = self._write_all(bytes(data))
            with self._lock:
                self._bytes -= len(data)
                lost = self.dropped - reported
            if lost and is_written:  # otherwise the report itself would be lost and counted
                reported += lost
                self._on_loss(lost)

    def _write_all(self, data: bytes) -> bool:
        """Write all lines, or count those that are lost; return whether all were written."""
        data, written = b"\n" * self._is_mid_line + data, 0
        try:
            while written < len(data):
                # As many whole lines as Linux does not mix, or else one longer line.
                ends = data.rfind(b"\n", written, written + _PIPE_BUF), data.find(b"\n", written)
                try:
                    written += os.write(self.fd, data[written : max(ends) + 1 or None])
                except BlockingIOError:  # another process made the terminal non-blocking
                    select.select([], [self.fd], [])
        except OSError:
            if written:
                self._is_mid_line = not data.endswith(b"\n", 0, written)
            with self._lock:
                self.dropped += data.count(b"\n", written)
            return False
        self._is_mid_line = False
        return True
