"""Processes on cores of their own: start and stop them, and measure their resources. Linux only."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

__all__ = ["LOAD_CORE", "SERVER_CORE", "Process", "free_port", "limited", "pin_load", "started"]

_CORES = sorted(os.sched_getaffinity(0))
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_TIMEOUT_S = 8
_CGROUPS = Path("/sys/fs/cgroup")
_PERIOD_US = 20_000

SERVER_CORE = frozenset(_CORES[:1])
"""The core of the measured server alone."""

LOAD_CORE = frozenset(_CORES[1:2] or _CORES)
"""The core of the load and the fake REST API."""


class Process:
    """A running process, and the resources of it and its descendants."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    @property
    def pid(self) -> int:
        """Its id."""
        return self._popen.pid

    def descriptors(self) -> int:
        """Return the number of its open files and sockets."""
        return sum(_descriptors(pid) for pid in _tree(self._popen.pid))

    def cpu_s(self) -> float:
        """Return the CPU time used so far, in user and in system mode."""
        return sum(_ticks(pid) for pid in _tree(self._popen.pid)) / _TICKS_PER_S

    def rss_bytes(self) -> int:
        """Return the memory in use."""
        return sum(_rss(pid) for pid in _tree(self._popen.pid))

    def stop(self) -> None:
        """Stop it and its descendants."""
        _signal(self._popen.pid, signal.SIGTERM)
        try:
            self._popen.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _signal(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


@contextlib.contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str],
    cores: frozenset[int],
    *,
    stderr: int = subprocess.DEVNULL,
) -> Iterator[Process]:
    """Run a command on these cores, without its output, while the block lasts."""
    popen = subprocess.Popen(  # noqa: S603  our own commands
        command,
        env={**_inherited(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=partial(os.sched_setaffinity, 0, cores),
    )
    process = Process(popen)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def limited(process: Process, share: float) -> Iterator[None]:
    """Let a process, and each that it started, use this share of a core at most; needs root.

    So several workers and their load fit on two cores. Stop the process before the block ends.
    """
    is_v2 = (_CGROUPS / "cgroup.controllers").exists()
    root, quota_us = _CGROUPS if is_v2 else _CGROUPS / "cpu", int(share * _PERIOD_US)
    files = {"cpu.max": f"{quota_us} {_PERIOD_US}"}
    if is_v2:
        (root / "cgroup.subtree_control").write_text("+cpu")
    else:
        files = {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    groups = []
    try:
        for pid in _tree(process.pid):
            groups.append(group := root / f"benchmark-{pid}")
            group.mkdir()
            for name, text in {**files, "cgroup.procs": str(pid)}.items():
                (group / name).write_text(text)
        yield
    finally:
        for group in groups:
            group.rmdir()


def pin_load() -> None:
    """Keep this process off the server's core, and raise its limit of connections."""
    os.sched_setaffinity(0, LOAD_CORE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _inherited() -> dict[str, str]:
    # A gateway must not read the settings of the shell that measures it.
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    pids = [pid]
    for parent in pids:  # grows during the loop
        pids += children.get(parent, ())
    return pids


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` after the name; none once the process is gone."""
    with contextlib.suppress(OSError):
        # The name before the bracket may have any characters.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _ticks(pid: int) -> int:
    """Return the clock ticks of a process, and of the children that it has waited for."""
    return sum(map(int, _stat(pid)[11:15]))


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def _rss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0
