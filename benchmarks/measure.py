"""One measured run: the load, and the server's resources."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.answers import Check
from benchmarks.load import Clients, Sample, run
from benchmarks.servers import Server

__all__ = ["Figures", "measured", "medians"]

_WARM_UP_CONNECTIONS = 4
"""Few, as a slow engine has to answer all of them before the measurement begins."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The cost and the latency of a request."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    requests: int


def measured(
    server: Server,
    requests: Iterator[bytes],
    check: Check,
    *,
    connections: int,
    seconds: float,
    warm_up_s: float,
    warm_up: int = 2**62,
) -> Figures:
    """Load a server and measure it; before that, load it for `warm_up_s`, or `warm_up` requests.

    Raises:
        WrongAnswerError: an answer is wrong.
    """

    async def load() -> tuple[Sample, float]:
        first = await Clients.connect(server.port, min(connections, _WARM_UP_CONNECTIONS))
        await first.run(requests, check, seconds=warm_up_s, most=warm_up)
        first.close()
        clients = await Clients.connect(server.port, connections)
        before = server.process.cpu_s()
        sample = await clients.run(requests, check, seconds=seconds)
        cpu_s = server.process.cpu_s() - before
        clients.close()
        return sample, cpu_s

    sample, cpu_s = run(load())
    return Figures(
        cpu_us=cpu_s / sample.requests * 1e6,
        rps=sample.rps,
        p50_ms=sample.quantile_ms(0.5),
        p99_ms=sample.quantile_ms(0.99),
        rss_mb=server.process.rss_bytes() / 1e6,
        requests=sample.requests,
    )


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    names = asdict(rounds[0])
    return Figures(**{name: median(getattr(figures, name) for figures in rounds) for name in names})
