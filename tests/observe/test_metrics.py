"""Counters, and the metrics that Prometheus reads from them."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import UpstreamTimeoutError
from gateway.observe.metrics import (
    Metrics,
    RequestMeter,
    Timings,
    UpstreamMeter,
    counter,
    gauge,
    histogram,
)


def read(metrics: Metrics) -> dict[str, float]:
    """Return every sample as Prometheus reads it, by its name and labels."""
    families: Sequence[Metric] = list(
        text_string_to_metric_families(generate_latest(metrics).decode())
    )
    return {
        "{}{}".format(s.name, "".join(f" {v}" for v in s.labels.values())): s.value
        for family in families
        for s in family.samples
    }


@pytest.mark.parametrize(
    ("seconds", "le"), [(0.0, "0.0005"), (0.0005, "0.0005"), (0.0006, "0.001"), (11.0, "+Inf")]
)
def test_a_duration_is_counted_in_its_bucket(seconds: float, le: str) -> None:
    """A bucket includes its bound."""
    timings = Timings()

    timings.add(seconds)

    assert next(bound for bound, count in timings.buckets() if count) == le
    assert timings.buckets()[-1] == ("+Inf", 1)


def test_the_histogram_of_an_operation_has_all_outcomes() -> None:
    """The counts are by outcome, the histogram is not."""
    meter = RequestMeter()
    for outcome, seconds in (("ok", 1.0), ("ok", 2.0), ("FORBIDDEN", 4.0)):
        meter.of("Queue", outcome).add(seconds)

    assert meter.outcomes() == {("Queue", "ok"): 2, ("Queue", "FORBIDDEN"): 1}
    assert meter.timings()[("Queue",)].sum_s == 7.0
    assert meter.timings()[("Queue",)].count == 3


def test_metrics_are_read_when_they_are_scraped() -> None:
    """Nothing is copied earlier."""
    values: dict[tuple[str, ...], float] = {("a",): 1.0}
    timings = Timings()
    metrics = Metrics(
        [
            counter("things", "Things.", lambda: values, ["kind"]),
            gauge("depth_bytes", "Depth.", lambda: 7),
            histogram("wait_seconds", "Wait.", lambda: {(): timings}),
        ]
    )
    values["b",] = 2.0
    timings.add(0.3)

    samples = read(metrics)

    assert samples["things_total a"] == 1.0
    assert samples["things_total b"] == 2.0
    assert samples["depth_bytes"] == 7.0
    assert samples["wait_seconds_bucket 0.25"] == 0.0
    assert samples["wait_seconds_bucket 0.5"] == 1.0
    assert samples["wait_seconds_sum"] == 0.3


async def test_a_rest_call_is_counted_with_its_bytes() -> None:
    """Each time."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        return headers.encode()

    counted = meter.around(fetch)
    assert [await counted("ab"), await counted("c")] == [b"ab", b"c"]

    assert meter.outcomes() == {("ok",): 2}
    assert (meter.bytes, meter.timings()[()].count) == (3, 2)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (UpstreamTimeoutError("too late"), "UPSTREAM_TIMEOUT"),
        (RuntimeError("a bug, and what Ada said"), "INTERNAL_SERVER_ERROR"),
    ],
)
async def test_a_rest_call_that_fails_is_counted_by_its_code(
    failure: Exception, outcome: str
) -> None:
    """The exception itself passes through."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        raise failure

    (raised,) = await asyncio.gather(meter.around(fetch)(""), return_exceptions=True)

    assert raised is failure
    assert meter.outcomes() == {("ok",): 0, (outcome,): 1}


async def test_a_cancelled_rest_call_is_counted() -> None:
    """At shutdown, for example."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for good

    call = asyncio.ensure_future(meter.around(fetch)(""))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert meter.outcomes() == {("ok",): 0, ("cancelled",): 1}
