"""The metrics of several processes as one.

Each worker writes its metrics to its own file, once a second; the scraped process adds up the
files. The multiprocess mode of prometheus-client, with a memory-mapped file for each counter, does
not support counters in plain integers: "custom collectors do not work" in it.
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
# For these gauges, a sum over processes has no meaning.
_COMBINED: Mapping[str, _Combine] = {
    "gateway_build_info": max,
    "gateway_redis_up": min,
    "gateway_upstream_budget": max,
    "process_start_time_seconds": max,
}


class SharedMetrics(Collector):
    """Adds up the metrics files in a directory.

    `own` are the metrics of this process, if any: they are read directly. Of a process that has
    ended, counters still count and gauges do not.
    """

    def __init__(self, directory: Path, own: Collector | None = None) -> None:
        self._directory = directory
        self._own = own

    def write(self) -> None:
        """Write the metrics of this process, for the other processes."""
        own = self._own.collect() if self._own else ()
        metrics = [
            (metric.name, metric.documentation, metric.type, metric.samples) for metric in own
        ]
        file = self._file(os.getpid())
        scratch = file.with_suffix(".new")
        scratch.write_bytes(orjson.dumps(metrics, default=list))
        scratch.replace(file)

    async def keep_writing(self) -> None:
        """Write every second, and once more when cancelled."""
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
        totals: dict[str, Metric] = {}
        if self._own is not None:
            _add(totals, self._own.collect())
        for file in sorted(self._directory.glob("*.json")):
            if self._own is None or file != self._file(os.getpid()):
                is_alive = _is_alive(int(file.stem))
                _add(totals, (m for m in _read(file) if is_alive or m.type in _ADDED))
        return totals.values()

    def _file(self, pid: int) -> Path:
        return self._directory / f"{pid}.json"


def _read(file: Path) -> Iterator[Metric]:
    for name, documentation, kind, samples in orjson.loads(file.read_bytes()):
        metric = Metric(name, documentation, kind)
        for sample in samples:
            metric.add_sample(*sample)
        yield metric


def _add(totals: dict[str, Metric], metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        total = totals.setdefault(
            metric.name, Metric(metric.name, metric.documentation, metric.type)
        )
        combine: _Combine = _COMBINED.get(metric.name, operator.add)
        samples = {(sample.name, *sample.labels.items()): sample for sample in total.samples}
        for sample in metric.samples:
            key = (sample.name, *sample.labels.items())
            if key in samples:
                sample = sample._replace(value=combine(samples[key].value, sample.value))
            samples[key] = sample
        total.samples = list(samples.values())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # it has ended, even if another user's process has its number now
        return False
    return True
