"""The metrics of several processes, added up."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.observe import shared_metrics
from gateway.observe.metrics import Metrics, Timings
from gateway.observe.shared_metrics import SharedMetrics
from tests.waiting import until

NOBODY = 2**22 + 1  # larger than any process id


def metrics(amount: float) -> Metrics:
    """Return a counter, a gauge, a histogram and a start time of one process."""
    timings = Timings()
    timings.add(amount)
    return Metrics(
        {
            "things": lambda: {"a": amount},
            "depth": lambda: amount,
            "gateway_redis_up": lambda: amount,
            "process_start_time_seconds": lambda: amount,
            "wait_seconds": lambda: {(): timings},
        },
        declared={
            "things": ["counter", "Things.", "kind"],
            "depth": ["gauge", "Depth."],
            "gateway_redis_up": ["gauge", "Redis."],
            "process_start_time_seconds": ["gauge", "Start."],
            "wait_seconds": ["histogram", "Wait."],
        },
    )


def values(shared: SharedMetrics) -> dict[str, float]:
    """Return the shared samples, without most of the buckets."""
    return {
        sample.name + sample.labels.get("le", ""): sample.value
        for metric in shared.collect()
        for sample in metric.samples
        if sample.labels.get("le", "+Inf") in {"5.0", "+Inf"}
    }


def write_metrics(
    directory: Path, pid: int, amount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write the metrics of a process with this id."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        SharedMetrics(directory, metrics(amount)).write()


@pytest.mark.parametrize("is_one_of_them", [True, False])
def test_metrics_of_processes_are_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_of_them: bool
) -> None:
    """The reader may be one of the processes, or another one."""
    write_metrics(tmp_path, os.getppid(), 3, monkeypatch)
    write_metrics(tmp_path, os.getpid(), 10, monkeypatch)
    shared = SharedMetrics(tmp_path, metrics(10) if is_one_of_them else None)

    assert values(shared) == {
        "things_total": 13,
        "depth": 13,
        "gateway_redis_up": 3,
        "process_start_time_seconds": 10,
        "wait_seconds_bucket5.0": 1,
        "wait_seconds_bucket+Inf": 2,
        "wait_seconds_count": 2,
        "wait_seconds_sum": 13,
    }


def test_own_metrics_are_current(tmp_path: Path) -> None:
    """A process uses its own counters instead of its older file."""
    SharedMetrics(tmp_path, metrics(1)).write()

    assert values(SharedMetrics(tmp_path, metrics(2)))["things_total"] == 2


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_counters_outlive_their_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """A total never decreases; gauges end with their process, even if its id is used again."""

    def kill(pid: int, number: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)
    write_metrics(tmp_path, NOBODY, 5, monkeypatch)

    assert values(SharedMetrics(tmp_path)) == {
        "things_total": 5,
        "wait_seconds_bucket5.0": 1,
        "wait_seconds_bucket+Inf": 1,
        "wait_seconds_count": 1,
        "wait_seconds_sum": 5,
    }


def test_an_empty_directory_has_no_metrics(tmp_path: Path) -> None:
    """The directory is empty until a worker starts."""
    nothing: Sequence[object] = list(SharedMetrics(tmp_path).collect())

    assert nothing == []


async def test_a_failed_write_is_logged_and_retried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line reports it, and the process still serves its own metrics."""
    monkeypatch.setattr(shared_metrics, "_INTERVAL_S", 0)
    shared = SharedMetrics(tmp_path / "nowhere", metrics(1))

    writing = asyncio.create_task(shared.keep_writing())
    await until(lambda: caplog.messages)
    await asyncio.sleep(0.05)
    is_over = writing.done()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    assert caplog.messages == [
        "Metrics are not shared with the other workers: No such file or directory"
    ]
    assert not is_over
    assert values(shared)["things_total"] == 1


async def test_a_process_writes_until_it_ends(tmp_path: Path) -> None:
    """Metrics are written at the start of a process, and a last time at its end."""
    shared = SharedMetrics(tmp_path, metrics(1))
    writing = asyncio.create_task(shared.keep_writing())
    file = tmp_path / f"{os.getpid()}.json"
    await until(file.exists)
    file.unlink()

    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    assert file.exists()
