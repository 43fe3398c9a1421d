"""The metrics of several processes as one.

Each worker writes its metrics to a file of its own, once a second; the process that is scraped adds
the files up. The multiprocess mode of prometheus-client, a memory-mapped file for each counter,
cannot be combined with counting in plain integers: "custom collectors do not work" in it.
"""

import asyncio
import logging
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import orjson
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

_INTERVAL_S = 1
_ADDED = {"counter", "histogram"}
_Combine = Callable[[float, float], float]
# A sum of these gauges means nothing.
_COMBINED: Mapping[str, _Combine] = {
    "gateway_build_info": max,
    "gateway_redis_up": min,
    "gateway_upstream_budget": max,
    "process_start_time_seconds": max,
}


class SharedMetrics(Collector):
    """Adds up the files in a directory.

    `own` are the metrics of this process, if it has any: they are read, not their file. When a
    process ends, its counters stay and its gauges go.
    """

    def __init__(self, directory: Path, own: Collector | None = None) -> None:
        self._directory = directory
        self._own = own

    def write(self) -> None:
        """Write the metrics of this process for the others to read."""
        own = self._own.collect() if self._own else ()
        metrics = [
            (metric.name, metric.documentation, metric.type, metric.samples) for metric in own
        ]
        file = self._file(os.getpid())
        scratch = file.with_suffix(".new")
        scratch.write_bytes(orjson.dumps(metrics, default=list))
        scratch.replace(file)

    async def keep_writing(self) -> None:
        """Write every second, and a last time when cancelled."""
        failure = None
        try:
            while True:
                before, failure = failure, None
                try:
                    await asyncio.to_thread(self.write)
                except OSError as exc:
                    failure = exc.strerror or type(exc).__name__
                if failure and failure != before:
                    logger.warning("Metrics are not shared with the other workers: %s", failure)
                await asyncio.sleep(_INTERVAL_S)
        finally:
            with suppress(OSError):
                self.write()

    def collect(self) -> Iterable[Metric]:
        """Read the metrics of all processes."""
        whole: dict[str, Metric] = {}
        if self._own is not None:
            _add(whole, self._own.collect())
        for file in sorted(self._directory.glob("*.json")):
            if self._own is None or file != self._file(os.getpid()):
                is_alive = _is_alive(int(file.stem))
                _add(whole, (m for m in _read(file) if is_alive or m.type in _ADDED))
        return whole.values()

    def _file(self, pid: int) -> Path:
        return self._directory / f"{pid}.json"


def _read(file: Path) -> Iterator[Metric]:
    for name, documentation, kind, samples in orjson.loads(file.read_bytes()):
        metric = Metric(name, documentation, kind)
        for sample in samples:
            metric.add_sample(*sample)
        yield metric


def _add(whole: dict[str, Metric], metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        there = whole.setdefault(
            metric.name, Metric(metric.name, metric.documentation, metric.type)
        )
        combine: _Combine = _COMBINED.get(metric.name, operator.add)
        samples = {(sample.name, *sample.labels.items()): sample for sample in there.samples}
        for sample in metric.samples:
            key = (sample.name, *sample.labels.items())
            if key in samples:
                sample = sample._replace(value=combine(samples[key].value, sample.value))
            samples[key] = sample
        there.samples = list(samples.values())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # it has ended; another user may have its number now
        return False
    return True
