"""Counters, and the metrics that Prometheus reads from them.

Everything is counted in plain integers where it happens, and read when Prometheus scrapes: each
counter of prometheus-client takes a lock and more than a microsecond. Names and units:
https://prometheus.io/docs/practices/naming/.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
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

from gateway.errors import GatewayError, UpstreamError

OK = "ok"
CANCELLED = "cancelled"

_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LES = [*map(str, map(float, _BOUNDS_S)), "+Inf"]

Family = Callable[[], Metric]
"""Reads one metric as it is now, on any thread."""

Values = Mapping[tuple[str, ...], float]
"""A value for each combination of labels."""

Read = Callable[[], float | Values]

T = TypeVar("T")


def outcome_of(exc: BaseException) -> str:
    """Return the code of an exception; never its message."""
    if isinstance(exc, asyncio.CancelledError):
        return CANCELLED
    return exc.code if isinstance(exc, GatewayError) else GatewayError.code


class Timings:
    """A histogram of durations."""

    __slots__ = ("_counts", "sum_s")

    def __init__(self) -> None:
        self._counts = [0] * len(_LES)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def merge(self, other: "Timings") -> None:
        """Add the counts of another histogram."""
        self._counts = list(map(sum, zip(self._counts, other._counts, strict=True)))
        self.sum_s += other.sum_s

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return the number of durations up to each bound."""
        return list(zip(_LES, accumulate(self._counts), strict=True))


class RequestMeter:
    """Counts operations by name and outcome, and the bytes of their answers."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._timings: defaultdict[tuple[str, str], Timings] = defaultdict(Timings)

    def of(self, operation: str, outcome: str) -> Timings:
        """Return the histogram of one name and outcome; there are few of either."""
        return self._timings[operation, outcome]

    def outcomes(self) -> Values:
        """Return the number of operations by name and outcome."""
        return {labels: timings.count for labels, timings in list(self._timings.items())}

    def timings(self) -> Mapping[tuple[str, ...], Timings]:
        """Return their durations by name."""
        by_operation: defaultdict[tuple[str, ...], Timings] = defaultdict(Timings)
        for (operation, _), timings in list(self._timings.items()):
            by_operation[operation,].merge(timings)
        return by_operation


class UpstreamMeter:
    """Counts REST calls by outcome, their durations and the bytes they returned."""

    def __init__(self) -> None:
        self.bytes = 0
        self.refused = 0
        """Calls that were not made: SuperOffice has been failing, or asked for a pause."""

        self._timings = Timings()
        self._outcomes = Counter({OK: 0})

    def around(self, fetch: Callable[[T], Awaitable[bytes]]) -> Callable[[T], Awaitable[bytes]]:
        """Return `fetch`, counted."""

        async def counted(headers: T) -> bytes:
            started = time.perf_counter()
            try:
                body = await fetch(headers)
            except BaseException as exc:
                if isinstance(exc, UpstreamError) and not exc.is_of_a_call:
                    self.refused += 1
                else:
                    self._count(outcome_of(exc), started)
                raise
            self._count(OK, started)
            self.bytes += len(body)
            return body

        return counted

    def _count(self, outcome: str, started: float) -> None:
        self._timings.add(time.perf_counter() - started)
        self._outcomes[outcome] += 1

    def outcomes(self) -> Values:
        """Return the number of calls by outcome."""
        return {(outcome,): count for outcome, count in list(self._outcomes.items())}

    def timings(self) -> Mapping[tuple[str, ...], Timings]:
        """Return their durations."""
        return {(): self._timings}


class Metrics(Collector):
    """The metrics of one app, in order."""

    def __init__(self, families: Sequence[Family], more: Sequence[Collector] = ()) -> None:
        self._families = families
        self._more = more

    def collect(self) -> Iterable[Metric]:
        """Read all of them."""
        for family in self._families:
            yield family()
        for collector in self._more:
            yield from collector.collect()


def counter(name: str, documentation: str, read: Read, labels: Sequence[str] = ()) -> Family:
    """Return the metric of a value that only grows; `_total` is appended to its name."""
    return lambda: _filled(CounterMetricFamily(name, documentation, labels=labels), read())


def gauge(name: str, documentation: str, read: Read, labels: Sequence[str] = ()) -> Family:
    """Return the metric of a value that goes up and down; workers' values are added."""
    return lambda: _filled(GaugeMetricFamily(name, documentation, labels=labels), read())


def histogram(
    name: str,
    documentation: str,
    read: Callable[[], Mapping[tuple[str, ...], Timings]],
    labels: Sequence[str] = (),
) -> Family:
    """Return the metric of durations."""

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
