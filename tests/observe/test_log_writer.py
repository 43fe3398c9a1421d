"""The log's own thread: nobody waits for it, and what is lost is counted."""

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
    """Return the losses that are reported."""
    return []


@pytest.fixture
def over(lost: list[int]) -> Callable[[int], LogWriter]:
    """Return what makes a writer over a file descriptor."""
    return lambda fd: LogWriter(fd, lost.append)


def test_lines_arrive_in_order(
    over: Callable[[int], LogWriter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At exit all of them are there; half a character of a path does no harm."""
    monkeypatch.setattr(log_writer, "_EXIT_S", 60)
    file = tmp_path / "log"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    writer = over(fd)
    lines = [*(f"line {number}\n" for number in range(300)), "\udcff\n"]

    for line in lines:
        writer.write(line)
    writer.wait()

    assert file.read_text() == "".join(lines[:-1]) + "\\udcff\n"
    assert writer.dropped == 0
    os.close(fd)


@pytest.mark.parametrize("name", ["_MOST_LINES", "_MOST_BYTES"])
def test_a_reader_that_stalls_delays_nobody(
    over: Callable[[int], LogWriter], lost: list[int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded, the rest is dropped; when it reads again it learns how much."""
    monkeypatch.setattr(log_writer, name, {"_MOST_LINES": 200, "_MOST_BYTES": 200_000}[name])
    monkeypatch.setattr(log_writer, "_EXIT_S", 0)
    reader, fd = os.pipe()
    writer = over(fd)

    for _ in range(1_000):
        writer.write(LINE)
    writer.wait()  # does not wait for good
    assert writer.dropped >= 1_000 - 200 - 64  # what a pipe holds

    received = b""
    while len(received) < (1_000 - writer.dropped) * len(LINE):
        received += os.read(reader, 2**16)
    until_soon(lambda: lost)
    assert lost == [writer.dropped]
    assert set(received.decode().splitlines()) == {LINE.strip()}
    for one in (reader, fd):
        os.close(one)


def test_a_reader_that_is_gone_breaks_nothing(
    over: Callable[[int], LogWriter], lost: list[int]
) -> None:
    """Each line is lost and counted; nobody is told through the same pipe."""
    reader, fd = os.pipe()
    os.close(reader)
    writer = over(fd)

    for _ in range(5):
        writer.write(LINE)
    until_soon(lambda: writer.dropped == 5)
    assert not lost
    os.close(fd)


def test_a_full_disk_cuts_no_two_lines_together(
    over: Callable[[int], LogWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a line may be there; the next one begins on a line of its own."""
    written, room = bytearray(), [4]

    def write(fd: int, data: memoryview) -> int:
        taken = bytes(data[: room[0]])
        if not taken:
            raise OSError(28, "No space left on device")
        room[0] -= len(taken)
        written.extend(taken)
        return len(taken)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(log_writer, "_EXIT_S", 60)
    writer = over(1)
    writer.write("first\n")
    until_soon(lambda: writer.dropped)
    room[0] = 100
    writer.write("second\n")
    writer.wait()

    assert bytes(written) == b"firs\nsecond\n"
    assert writer.dropped == 1


def test_a_terminal_that_another_process_made_non_blocking_loses_nothing(
    over: Callable[[int], LogWriter],
) -> None:
    """The thread waits until it takes more."""
    reader, fd = os.pipe()
    os.set_blocking(fd, False)
    writer = over(fd)

    for _ in range(100):
        writer.write(LINE)
    received = b""
    while len(received) < 100 * len(LINE):
        received += os.read(reader, 2**16)

    assert writer.dropped == 0
    for one in (reader, fd):
        os.close(one)
