"""The limit of requests per second of one caller."""

import pytest

from gateway.errors import UpstreamRateLimitedError
from gateway.sessions.caller_rate import CallerRate
from tests.clock import FakeClock
from tests.sessions.test_source import KARI, Bench


def test_each_caller_has_its_own_rate() -> None:
    """Each caller has its own rate, and a refused request gets the time to wait."""
    clock = FakeClock()
    rate = CallerRate(4, clock=clock)
    for _ in range(4):
        rate.check("ada")
    with pytest.raises(UpstreamRateLimitedError) as caught:
        rate.check("ada")
    rate.check("bob")
    clock.advance(0.25)
    rate.check("ada")

    assert caught.value.http_status == 429
    assert caught.value.extensions == {"code": "RATE_LIMITED", "retryAfter": 1}


async def test_live_polls_are_not_counted() -> None:
    """Live polls do not count, and a request past the rate makes no REST call."""
    bench = Bench()
    bench.source.caller_rate = CallerRate(1, clock=FakeClock())
    await bench.source.serve(KARI)
    await bench.source.serve(KARI, is_poll=True)

    with pytest.raises(UpstreamRateLimitedError):
        await bench.source.serve(KARI)
