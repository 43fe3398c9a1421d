"""How the gateway's cost grows: with sessions, fields, connections, callers and workers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace

from benchmarks import callers, plots, report
from benchmarks.answers import with_data
from benchmarks.measure import Figures, measured, medians
from benchmarks.processes import LOAD_CORE, SERVER_CORE, limited
from benchmarks.queries import QUERIES, Query, leaves, of_fields
from benchmarks.report import Options, number
from benchmarks.servers import Gateway, Rest, rest_side, serving

__all__ = ["GROWTHS", "run_growth"]

_Q1 = QUERIES["Q1"]
_ROOM = {"GATEWAY_MAX_UPSTREAM_BYTES": "128MiB", "GATEWAY_CACHE_MAX_BYTES": "1GiB"}
_FEW = 2
"""Connections if each REST answer is large."""

_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured point of a line."""

    line: str
    x: int
    query: Query
    requests: Iterator[bytes]
    caches: bool = True
    connections: int
    warm_up: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    cores: frozenset[int] = SERVER_CORE
    share: float | None = None
    """The share of a core that each process of the gateway may use; None = all of it."""


Found = list[tuple[Point, Figures]]


def of_sessions(options: Options) -> Iterator[Point]:
    """Increase the number of sessions in the REST answer; Q1 over all of them."""
    connections = min(_FEW, options.connections)
    for count in (1, 10, 100, 1_000, _MANY):
        # The limits of `new` would omit the last sessions.
        kinds = ("cold", "warm") if count == _MANY else tuple(callers.KINDS)
        yield from _kinds(kinds, count, replace(_Q1, sessions=count), connections)


def of_selected_fields(options: Options) -> Iterator[Point]:
    """Increase the number of fields in the query, over 20 sessions."""
    # The session's own fields come first: a query of one field selects one of these.
    paths = sorted(leaves(), key=len)
    for count in (1, 3, 10, 30, 100, len(paths)):
        query = Query("", of_fields(paths[:count]), _Q1.sessions)
        yield from _kinds(callers.KINDS, count, query, options.connections)


def of_connections(_: Options) -> Iterator[Point]:
    """Increase the number of concurrent connections; Q1."""
    for count in (1, 3, 10, 30, 100, 300, 1_000):
        for kind in ("cold", "warm"):
            yield Point(
                line=kind,
                x=count,
                query=_Q1,
                requests=callers.KINDS[kind](_Q1),
                caches=kind != "cold",
                connections=count,
            )


def of_callers(options: Options) -> Iterator[Point]:
    """Increase the number of callers with cached sessions; Q1, two sessions each."""
    query = replace(_Q1, sessions=2)
    for count in (1, 10, 100, 1_000, _MANY):
        yield Point(
            line="warm",
            x=count,
            query=query,
            requests=callers.by_callers(query.body, count),
            connections=options.connections,
            warm_up=2 * count,
        )


def of_workers(options: Options) -> Iterator[Point]:
    """Increase the number of processes, each with a quarter of a core; Q2."""
    for count in (1, 2, 3):
        for point in _kinds(("cold", "warm"), count, QUERIES["Q2"], options.connections):
            settings = {"GATEWAY_WORKERS": str(count)}
            yield replace(point, settings=settings, cores=SERVER_CORE | LOAD_CORE, share=0.25)


def _kinds(kinds: Iterable[str], x: int, query: Query, connections: int) -> Iterator[Point]:
    for kind in kinds:
        yield Point(
            line=kind,
            x=x,
            query=query,
            requests=callers.KINDS[kind](query),
            caches=kind != "cold",
            connections=connections,
        )


GROWTHS: dict[str, Callable[[Options], Iterator[Point]]] = {
    "sessions": of_sessions,
    "fields": of_selected_fields,
    "connections": of_connections,
    "callers": of_callers,
    "workers": of_workers,
}


def run_growth(options: Options) -> None:
    """Measure each growth, and print, write and plot it.

    Raises:
        PlotError: nothing can be drawn.
    """
    plots.check_plots()
    report.say_environment()
    names = report.chosen(GROWTHS, options.only)
    rows = []
    with rest_side() as rest:
        for name in names:
            found = []
            for point in GROWTHS[name](options):
                report.progress(f"{name} {point.x}, {point.line}")
                found.append((point, _measure(point, rest, options)))
            _show(name, found)
            rows += [
                {"growth": name, "line": point.line, "x": point.x, **asdict(figures)}
                for point, figures in found
            ]
    report.write_json("growth", {"rows": rows}, options)


def _measure(point: Point, rest: Rest, options: Options) -> Figures:
    gateway = Gateway({**_ROOM, **point.settings})
    url = rest.url(point.query.sessions)
    with (
        ExitStack() as limits,
        serving(gateway, url, caches=point.caches, cores=point.cores) as server,
    ):
        if point.share is not None:
            limits.enter_context(limited(server.process, point.share))
        return medians(
            [
                measured(
                    server,
                    point.requests,
                    with_data(point.query.expected()),
                    connections=point.connections,
                    seconds=options.seconds,
                    # A warm-up of a number of requests may take any time.
                    warm_up_s=options.seconds * 100 if point.warm_up else options.warm_up_s,
                    warm_up=point.warm_up or 2**62,
                )
                for _ in range(options.rounds)
            ]
        )


def _show(name: str, found: Found) -> None:
    header = [name, "", "CPU µs per request", "requests per s", "p50 ms", "p99 ms", "memory MB"]
    report.say(report.markdown(header, [_row(point, figures) for point, figures in found]))
    lines: dict[str, list[tuple[float, float]]] = {}
    for point, figures in found:
        # More workers do not make a request cheaper, but more requests possible.
        y = figures.rps if name == "workers" else figures.cpu_us
        lines.setdefault(point.line, []).append((point.x, y))
    label = "requests per s" if name == "workers" else "CPU µs per request"
    plots.plot(f"growth-{name}", lines, x=name, y=label)


def _row(point: Point, figures: Figures) -> Sequence[object]:
    shown = (figures.cpu_us, figures.rps, figures.p50_ms, figures.p99_ms, figures.rss_mb)
    return [point.x, point.line, *map(number, shown)]
