"""What is counted, and what Prometheus reads of it.

Everything is counted in plain integers where it happens, and read when Prometheus asks: the
counters of prometheus-client take a lock and more than a microsecond, each. Names and units:
https://prometheus.io/docs/practices/naming/.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.errors import GatewayError, UpstreamHeldOffError, UpstreamNotCalledError

__all__ = [
    "CANCELLED",
    "OK",
    "Family",
    "Metrics",
    "RequestMeter",
    "Timings",
    "UpstreamMeter",
    "Values",
    "counter",
    "gauge",
    "histogram",
    "outcome_of",
]

OK = "ok"
CANCELLED = "cancelled"

_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LES = [*map(str, map(float, _BOUNDS_S)), "+Inf"]

Family = Callable[[], Metric]
"""Reads one metric as it is now, on whatever thread."""

Values = Mapping[tuple[str, ...], float]
"""A value for each combination of labels."""

Read = Callable[[], float | Values]

T = TypeVar("T")


def outcome_of(exc: BaseException) -> str:
    """Say what came of something that raised: a code, and no message."""
    if isinstance(exc, asyncio.CancelledError):
        return CANCELLED
    return exc.code if isinstance(exc, GatewayError) else GatewayError.code


class Timings:
    """Durations, counted in the buckets of a histogram."""

    __slots__ = ("_counts", "sum_s")

    def __init__(self) -> None:
        self._counts = [0] * len(_LES)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def merge(self, other: "Timings") -> None:
        """Count what another has counted, too."""
        self._counts = list(map(sum, zip(self._counts, other._counts, strict=True)))
        self.sum_s += other.sum_s

    @property
    def count(self) -> int:
        """Return how many there were."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many took no longer than each bound."""
        return list(zip(_LES, accumulate(self._counts), strict=True))


class RequestMeter:
    """Counts operations by their name and by what came of them, and the bytes of the answers."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._timings: dict[tuple[str, str], Timings] = {}

    def of(self, operation: str, outcome: str) -> Timings:
        """Return where those of one name and outcome are counted; there are few of either."""
        timings = self._timings.get((operation, outcome))
        if timings is None:
            timings = self._timings[operation, outcome] = Timings()
        return timings

    def outcomes(self) -> Values:
        """Return how many there were, by operation and outcome."""
        return {labels: timings.count for labels, timings in list(self._timings.items())}

    def timings(self) -> Mapping[tuple[str, ...], Timings]:
        """Return how long they took, by operation."""
        by_operation: dict[tuple[str, ...], Timings] = {}
        for (operation, _), timings in list(self._timings.items()):
            by_operation.setdefault((operation,), Timings()).merge(timings)
        return by_operation


class UpstreamMeter:
    """Counts REST calls by what came of them, how long they took and the bytes they brought."""

    def __init__(self) -> None:
        self.bytes = 0
        self.refused = 0
        """Calls that were not made: REST has been failing, or asks for a pause."""

        self._timings = Timings()
        self._outcomes: dict[str, int] = {OK: 0}

    def around(self, fetch: Callable[[T], Awaitable[bytes]]) -> Callable[[T], Awaitable[bytes]]:
        """Return `fetch`, counted."""

        async def counted(headers: T) -> bytes:
            started = time.perf_counter()
            try:
                body = await fetch(headers)
            except (UpstreamNotCalledError, UpstreamHeldOffError):
                self.refused += 1
                raise
            except BaseException as exc:
                self._count(outcome_of(exc), started)
                raise
            self._count(OK, started)
            self.bytes += len(body)
            return body

        return counted

    def _count(self, outcome: str, started: float) -> None:
        self._timings.add(time.perf_counter() - started)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1

    def outcomes(self) -> Values:
        """Return how many there were, by outcome."""
        return {(outcome,): count for outcome, count in list(self._outcomes.items())}

    def timings(self) -> Mapping[tuple[str, ...], Timings]:
        """Return how long they took."""
        return {(): self._timings}


class Metrics(Collector):
    """The metrics of one app, in their order."""

    def __init__(self, families: Sequence[Family], more: Sequence[Collector] = ()) -> None:
        self._families = families
        self._more = more

    def collect(self) -> Iterable[Metric]:
        """Read them all."""
        for family in self._families:
            yield family()
        for collector in self._more:
            yield from collector.collect()


def counter(name: str, documentation: str, read: Read, labels: Sequence[str] = ()) -> Family:
    """Make the metric of something that only grows; `_total` comes behind its name."""
    return lambda: _filled(CounterMetricFamily(name, documentation, labels=labels), read())


def gauge(name: str, documentation: str, read: Read, labels: Sequence[str] = ()) -> Family:
    """Make the metric of something that goes up and down; those of several workers are added."""
    return lambda: _filled(GaugeMetricFamily(name, documentation, labels=labels), read())


def histogram(
    name: str,
    documentation: str,
    read: Callable[[], Mapping[tuple[str, ...], Timings]],
    labels: Sequence[str] = (),
) -> Family:
    """Make the metric of durations."""

    def family() -> Metric:
        made = HistogramMetricFamily(name, documentation, labels=labels)
        for values, timings in read().items():
            made.add_metric(values, timings.buckets(), timings.sum_s)
        return made

    return family


def _filled(family: CounterMetricFamily | GaugeMetricFamily, read: float | Values) -> Metric:
    for values, value in (read if isinstance(read, Mapping) else {(): read}).items():
        family.add_metric(values, value)
    return family
