"""The log's own thread: no caller waits for it, and lost lines are counted."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.observe import log_writer
from gateway.observe.log_writer import LogWriter
from tests.waiting import until_soon

LINE = "x" * 999 + "\n"


@pytest.fixture
def lost() -> list[int]:
    """Return the reported numbers of lost lines."""
    return []


@pytest.fixture
def writer_over(lost: list[int]) -> Callable[[int], LogWriter]:
    """Return a function that makes a writer over a file descriptor."""
    return lambda fd: LogWriter(fd, lost.append)


def test_lines_arrive_in_order(
    writer_over: Callable[[int], LogWriter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At exit all of them are written, and invalid characters are escaped."""
    monkeypatch.setattr(log_writer, "_EXIT_S", 60)
    file = tmp_path / "log"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    writer = writer_over(fd)
    lines = [*(f"line {number}\n" for number in range(300)), "\udcff\n"]

    for line in lines:
        writer.write(line)
    writer.wait()

    assert file.read_text() == "".join(lines[:-1]) + "\\udcff\n"
    assert writer.dropped == 0
    os.close(fd)


def test_workers_do_not_tear_each_others_lines(
    writer_over: Callable[[int], LogWriter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write ends with a line, and is so small that Linux writes it to a pipe in one piece."""
    monkeypatch.setattr(log_writer, "_EXIT_S", 60)
    writes = list[bytes]()
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    write = os.write

    def recorded(to: int, data: bytes) -> int:
        if to == fd:
            writes.append(data)
        return write(to, data)

    monkeypatch.setattr(os, "write", recorded)
    writer = writer_over(fd)
    lines = [LINE, "y" * 10_000 + "\n", *[LINE] * 20]
    for line in lines:
        writer.write(line)
    writer.wait()

    assert b"".join(writes).decode() == "".join(lines)
    assert all(data.endswith(b"\n") for data in writes)
    assert sorted(map(len, writes))[-2:] == [4_000, 10_001]
    os.close(fd)


def test_a_stalled_reader_delays_no_caller(
    writer_over: Callable[[int], LogWriter],
    lost: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue is bounded, and the rest is dropped; the number of lost lines is reported later."""
    monkeypatch.setattr(log_writer, "_MOST_BYTES", 200_000)
    monkeypatch.setattr(log_writer, "_EXIT_S", 0)
    reader, fd = os.pipe()
    writer = writer_over(fd)

    for _ in range(1_000):
        writer.write(LINE)
    writer.wait()  # does not wait for ever
    assert writer.dropped >= 1_000 - 200 - 64  # the capacity of a pipe

    received = b""
    while len(received) < (1_000 - writer.dropped) * len(LINE):
        received += os.read(reader, 2**16)
    until_soon(lambda: lost)
    assert lost == [writer.dropped]
    assert set(received.decode().splitlines()) == {LINE.strip()}
    for one in (reader, fd):
        os.close(one)


def test_a_closed_pipe_breaks_nothing(
    writer_over: Callable[[int], LogWriter], lost: list[int]
) -> None:
    """Each line is lost and counted, and no report is written to the closed pipe."""
    reader, fd = os.pipe()
    os.close(reader)
    writer = writer_over(fd)

    for _ in range(5):
        writer.write(LINE)
    until_soon(lambda: writer.dropped == 5)
    assert not lost
    os.close(fd)


def test_a_full_disk_does_not_join_two_lines(
    writer_over: Callable[[int], LogWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line may be cut; the next one begins on its own line."""
    written, room = bytearray(), [4]

    def write(fd: int, data: memoryview) -> int:
        chunk = bytes(data[: room[0]])
        if not chunk:
            raise OSError(28, "No space left on device")
        room[0] -= len(chunk)
        written.extend(chunk)
        return len(chunk)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(log_writer, "_EXIT_S", 60)
    writer = writer_over(1)
    writer.write("first\n")
    until_soon(lambda: writer.dropped)
    room[0] = 100
    writer.write("second\n")
    writer.wait()

    assert bytes(written) == b"firs\nsecond\n"
    assert writer.dropped == 1


def test_a_non_blocking_terminal_loses_no_lines(
    writer_over: Callable[[int], LogWriter],
) -> None:
    """The thread waits until a terminal that another process made non-blocking accepts more."""
    reader, fd = os.pipe()
    os.set_blocking(fd, False)
    writer = writer_over(fd)

    for _ in range(100):
        writer.write(LINE)
    received = b""
    while len(received) < 100 * len(LINE):
        received += os.read(reader, 2**16)

    assert writer.dropped == 0
    for one in (reader, fd):
        os.close(one)
