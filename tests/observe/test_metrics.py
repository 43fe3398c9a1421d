"""Counters, and the metrics that Prometheus reads from them."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import UpstreamTimeoutError
from gateway.observe.metrics import Metrics, RequestMeter, Timings, UpstreamMeter
from gateway.observe.operations import LabelNames


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
    ("seconds", "le"),
    [(0.0, "0.0005"), (0.0005, "0.0005"), (0.0006, "0.001"), (11.0, "15.0"), (61.0, "+Inf")],
)
def test_a_duration_is_counted_in_its_bucket(seconds: float, le: str) -> None:
    """A bucket includes its upper bound."""
    timings = Timings()

    timings.add(seconds)

    assert next(bound for bound, count in timings.buckets() if count) == le
    assert timings.buckets()[-1] == ("+Inf", 1)


def test_the_histogram_of_an_operation_has_all_outcomes() -> None:
    """Operations, outcomes and tenants have separate metrics, so labels do not multiply."""
    meter = RequestMeter(LabelNames(["Cust1", "Cust2"]))
    for outcome, seconds, tenant in (
        ("ok", 1.0, "Cust1"),
        ("ok", 2.0, "Cust2"),
        ("FORBIDDEN", 4.0, "Cust2"),
        ("ok", 8.0, "Cust3"),
    ):
        meter.of("Queue", outcome, tenant).add(seconds)

    assert meter.counts("operation", "outcome") == {("Queue", "ok"): 3, ("Queue", "FORBIDDEN"): 1}
    assert meter.counts("tenant", "outcome") == {
        ("Cust1", "ok"): 1,
        ("Cust2", "ok"): 1,
        ("Cust2", "FORBIDDEN"): 1,
        ("other", "ok"): 1,
    }
    assert {labels: timings.sum_s for labels, timings in meter.by("operation").items()} == {
        ("Queue",): 15.0
    }
    assert {labels: timings.sum_s for labels, timings in meter.by("outcome").items()} == {
        ("ok",): 11.0,
        ("FORBIDDEN",): 4.0,
    }


def test_metrics_are_read_when_they_are_scraped() -> None:
    """Values are not copied before a scrape."""
    values = {"a": 1.0}
    timings = Timings()
    metrics = Metrics(
        {
            "things": lambda: values,
            "depth_bytes": lambda: 7,
            "wait_seconds": lambda: {(): timings},
        },
        declared={
            "things": ["counter", "Things.", "kind"],
            "depth_bytes": ["gauge", "Depth."],
            "wait_seconds": ["histogram", "Wait."],
        },
    )
    values["b"] = 2.0
    timings.add(0.3)

    samples = read(metrics)

    assert samples["things_total a"] == 1.0
    assert samples["things_total b"] == 2.0
    assert samples["depth_bytes"] == 7.0
    assert samples["wait_seconds_bucket 0.25"] == 0.0
    assert samples["wait_seconds_bucket 0.5"] == 1.0
    assert samples["wait_seconds_sum"] == 0.3


async def test_a_rest_call_is_counted_with_its_bytes() -> None:
    """Each call adds to its outcome, its bytes and its duration."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        return headers.encode()

    counted = meter.around(fetch)
    assert [await counted("ab"), await counted("c")] == [b"ab", b"c"]

    assert meter.outcomes == {("", "ok"): 2}
    assert (meter.bytes, meter.timings["",].count) == (3, 2)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (UpstreamTimeoutError("too late"), "UPSTREAM_TIMEOUT"),
        (RuntimeError("a bug, and what Ada said"), "INTERNAL_SERVER_ERROR"),
    ],
)
async def test_a_failed_rest_call_is_counted_by_its_code(failure: Exception, outcome: str) -> None:
    """The exception itself is raised unchanged."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        raise failure

    (raised,) = await asyncio.gather(meter.around(fetch)(""), return_exceptions=True)

    assert raised is failure
    assert meter.outcomes == {("", "ok"): 0, ("", outcome): 1}


async def test_a_cancelled_rest_call_is_counted() -> None:
    """Calls are cancelled at shutdown, for example."""
    meter = UpstreamMeter()

    async def fetch(headers: str) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    call = asyncio.ensure_future(meter.around(fetch)(""))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert meter.outcomes == {("", "ok"): 0, ("", "cancelled"): 1}
