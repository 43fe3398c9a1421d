"""Counters, and the metrics that Prometheus reads from them.

Counters are plain integers, read when Prometheus scrapes: an increment in prometheus-client takes a
lock and more than a microsecond. Names and units: https://prometheus.io/docs/practices/naming/.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import orjson
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.errors import GatewayError, UpstreamError
from gateway.observe.clients import ClientMeter
from gateway.observe.operations import ANONYMOUS, LabelNames

OK = "ok"
CANCELLED = "cancelled"

# Past the default timeouts, which are 10 and 30 seconds.
_BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60),
)
_LES = [*map(str, map(float, _BOUNDS_S)), "+Inf"]

DECLARED: Mapping[str, Sequence[str]] = orjson.loads(
    Path(__file__).with_suffix(".json").read_bytes()
)
_FAMILIES: Mapping[str, Any] = {  # their constructors differ
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}

Values = Mapping[Any, "float | Timings"]
"""A value or histogram by label or tuple of labels; Any, as Mapping is invariant in its keys."""

Read = Callable[[], float | Values]
"""Reads the current value of a metric, on any thread."""

P = ParamSpec("P")


def outcome_of(exc: BaseException) -> str:
    """Return the error code of an exception, without its message."""
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


class RequestLabels(NamedTuple):
    """The labels by which operations are counted."""

    operation: str
    outcome: str
    tenant: str


class RequestMeter:
    """Counts operations by name, outcome and tenant, bytes of answers, and client apps."""

    def __init__(self, tenants: LabelNames | None = None) -> None:
        self.sent_bytes = 0
        self.clients = ClientMeter()
        self.deprecated: Counter[str] = Counter()
        """Requests that used a deprecated part of the schema, by its schema coordinate."""

        self._tenants = tenants or LabelNames()
        self._timings: defaultdict[RequestLabels, Timings] = defaultdict(Timings)

    def of(self, operation: str, outcome: str, tenant: str | None = None) -> Timings:
        """Return the histogram of one name, outcome and tenant, each from a bounded set."""
        return self._timings[RequestLabels(operation, outcome, self._tenants.label(tenant or ""))]

    def by(self, *names: str) -> Mapping[tuple[str, ...], Timings]:
        """Return the durations, grouped by some of the `RequestLabels`."""
        grouped: defaultdict[tuple[str, ...], Timings] = defaultdict(Timings)
        for labels, timings in list(self._timings.items()):
            grouped[tuple(getattr(labels, name) for name in names)].merge(timings)
        return grouped

    def counts(self, *names: str) -> Values:
        """Return the number of operations, with the grouping of `by`."""
        return {values: timings.count for values, timings in self.by(*names).items()}


class UpstreamMeter:
    """Counts REST calls by tenant and outcome, their durations and the bytes they returned."""

    def __init__(self, tenants: LabelNames | None = None) -> None:
        self.bytes = 0
        self.refused = 0
        """Calls that were not made: circuit breaker open, no free connection, or rate limit."""

        self.tenants = tenants or LabelNames()
        self.timings: defaultdict[tuple[str, ...], Timings] = defaultdict(Timings)
        self.outcomes: Counter[tuple[str, ...]] = Counter({(ANONYMOUS, OK): 0})

    def around(
        self, fetch: Callable[P, Awaitable[bytes]], tenant: str = ANONYMOUS
    ) -> Callable[P, Awaitable[bytes]]:
        """Return `fetch`, counted for a tenant."""

        async def counted(*args: P.args, **more: P.kwargs) -> bytes:
            started = time.perf_counter()
            try:
                body = await fetch(*args, **more)
            except BaseException as exc:
                if isinstance(exc, UpstreamError) and not exc.call_was_made:
                    self.refused += 1
                else:
                    count(outcome_of(exc), self.tenants.label(tenant), started)
                raise
            count(OK, self.tenants.learn(tenant), started)
            self.bytes += len(body)
            return body

        def count(outcome: str, label: str, started: float) -> None:
            self.timings[label,].add(time.perf_counter() - started)
            self.outcomes[label, outcome] += 1

        return counted


@dataclass(eq=False)
class Metrics(Collector):
    """The metrics of one app; `metrics.json` declares the kind, help and labels of each."""

    reads: Mapping[str, Read]
    more: Sequence[Collector] = ()
    declared: Mapping[str, Sequence[str]] = field(default_factory=lambda: DECLARED)

    def collect(self) -> Iterable[Metric]:
        """Read all metrics."""
        for name, (kind, text, *label_names) in self.declared.items():
            family, read = _FAMILIES[kind](name, text, labels=label_names), self.reads[name]()
            values = read if isinstance(read, Mapping) else {(): read}
            for key, value in list(values.items()):
                labels = key if isinstance(key, tuple) else (key,)
                if isinstance(value, Timings):
                    family.add_metric(labels, value.buckets(), value.sum_s)
                else:
                    family.add_metric(labels, value)
            yield family
        for collector in self.more:
            yield from collector.collect()
