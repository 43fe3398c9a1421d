"""The comparison: each engine, three queries, with a REST call each time and with a cache."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import orjson

from benchmarks import callers, peers, report
from benchmarks.answers import WrongAnswerError, with_data
from benchmarks.measure import Figures, measured, medians
from benchmarks.peers.peer import CACHE
from benchmarks.queries import NEW_QUERIES, QUERIES, Query, without
from benchmarks.report import Options
from benchmarks.servers import GATEWAY, Engine, Rest, Server, rest_side, serving

__all__ = ["engines", "run_table"]

_FEW_CALLS = 8
"""The REST calls until an answer is cached; `new` has a further caller now and then."""

Rounds = dict[tuple[str, str], list[Figures]]
"""Key of an engine and title of a column → the figures of each round."""

Found = dict[tuple[str, str], Figures]
Cell = Callable[[Found, str, str], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A query, and whether its REST answer is cached; in `new` the query itself is not."""

    kind: str
    query: Query

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"{self.kind} {self.query.key}"

    @property
    def server(self) -> tuple[bool, int]:
        """The start options of its server: whether it caches, and the number of sessions."""
        return self.kind != "cold", self.query.sessions

    def requests(self) -> Iterator[bytes]:
        """Return endless requests."""
        return callers.KINDS[self.kind](self.query)


COLUMNS = [Column(kind, query) for kind in ("cold", "warm") for query in QUERIES.values()]
_NEW = [Column("new", query) for query in NEW_QUERIES]


def engines(only: frozenset[str]) -> list[Engine]:
    """Return the chosen engines, or all, that are installed."""
    known: dict[str, Engine] = {engine.key: engine for engine in (GATEWAY, *peers.PEERS)}
    chosen = (known[key] for key in report.chosen(known, only))
    return [engine for engine in chosen if engine.is_installed]


def run_table(options: Options) -> None:
    """Measure all engines in turn, and print and write the medians of the rounds."""
    peers.prepare()
    os.environ["BENCH_READY"] = str(_write_ready())
    chosen = engines(options.only)
    rounds: Rounds = {}
    with rest_side() as rest:
        for number in range(options.rounds):
            for engine in chosen:
                report.progress(f"round {number + 1} of {options.rounds}: {engine.name}")
                _measure_engine(rounds, engine, rest, options)
    found: Found = {key: medians(figures) for key, figures in rounds.items()}
    report.say_environment()
    _say_tables(chosen, found)
    rows = [
        {"engine": engine, "column": column, **asdict(figures)}
        for (engine, column), figures in found.items()
    ]
    report.write_json("table", {"rows": rows}, options)


def _write_ready() -> Path:
    """Write the answer to each query, for the engine that computes nothing."""
    answers = {
        query.text: orjson.dumps({"data": query.expected()}).decode() for query in QUERIES.values()
    }
    file = CACHE / "ready.json"
    file.write_bytes(orjson.dumps(answers))
    return file


def _measure_engine(rounds: Rounds, engine: Engine, rest: Rest, options: Options) -> None:
    columns = COLUMNS + (_NEW if engine is GATEWAY else [])
    answered = [
        replace(column, query=without(column.query, engine.q3_without))
        for column in columns
        if column.query.key in engine.queries
    ]
    ordered = sorted(answered, key=lambda column: column.server)
    for (caches, sessions), group in groupby(ordered, key=lambda column: column.server):
        with serving(engine, rest.url(sessions), caches=caches) as server:
            for column in group:
                figures = _measure(engine, server, column, rest, options)
                rounds.setdefault((engine.key, column.title), []).append(figures)


def _measure(
    engine: Engine, server: Server, column: Column, rest: Rest, options: Options
) -> Figures:
    before = rest.calls()
    try:
        figures = measured(
            server,
            column.requests(),
            with_data(column.query.expected()),
            connections=options.connections,
            seconds=options.seconds,
            warm_up_s=options.warm_up_s,
        )
        _check_calls(column.kind, rest.calls() - before, figures.requests)
    except WrongAnswerError as exc:
        raise WrongAnswerError(f"{engine.name}, {column.title}: {exc}") from exc
    return figures


def _check_calls(kind: str, calls: int, requests: int) -> None:
    """Check that cold requests call the REST API and others do not."""
    is_right = calls >= requests if kind == "cold" else calls <= _FEW_CALLS + requests // 1_000
    if not is_right:
        raise WrongAnswerError(f"{calls} REST calls for {requests} requests")


def _say_tables(chosen: Sequence[Engine], found: Found) -> None:
    cells: dict[str, Cell] = {"CPU time per request, in µs": _cpu}
    if GATEWAY in chosen:
        cells["The same, in times this gateway's"] = _ratio
    cells["Requests per second · median · 99th percentile in ms · memory in MB"] = _speed
    titles = [column.title for column in COLUMNS]
    for heading, cell in cells.items():
        rows = [
            [engine.name, *(_cell(cell, found, (engine.key, title)) for title in titles)]
            for engine in chosen
        ]
        report.say(f"{heading}\n\n{report.markdown(['', *titles], rows)}")
    if GATEWAY in chosen:
        titles = [column.title for column in _NEW]
        row = [_cell(_cpu, found, (GATEWAY.key, title)) for title in titles]
        report.say("REST's answer cached, but the query with these variables not seen, in µs\n")
        report.say(report.markdown(["", *titles], [[GATEWAY.name, *row]]))
    for engine in chosen:
        if engine.note:
            report.say(f"- {engine.name}: {engine.note}")


def _cell(cell: Cell, found: Found, key: tuple[str, str]) -> str:
    return cell(found, *key) if key in found else "n/a"


def _cpu(found: Found, engine: str, title: str) -> str:
    return report.number(found[engine, title].cpu_us)


def _ratio(found: Found, engine: str, title: str) -> str:
    return report.number(found[engine, title].cpu_us / found[GATEWAY.key, title].cpu_us)


def _speed(found: Found, engine: str, title: str) -> str:
    figures = found[engine, title]
    return " · ".join(
        report.number(value)
        for value in (figures.rps, figures.p50_ms, figures.p99_ms, figures.rss_mb)
    )
