"""The servers: the fake REST API, the gateway, and other engines, each started until ready."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.answers import WrongAnswerError
from benchmarks.callers import get, graphql
from benchmarks.load import ask_once, run
from benchmarks.processes import LOAD_CORE, SERVER_CORE, Process, free_port, started
from benchmarks.queries import NEW_QUERIES, QUERIES

__all__ = [
    "GATEWAY",
    "Engine",
    "Gateway",
    "Rest",
    "Server",
    "rest_side",
    "serving",
    "until_ready_s",
]

_TIMEOUT_S = 60
_HOUR_S = "3600"


class Engine(Protocol):
    """A GraphQL server over the fake REST API: the gateway, or one of `benchmarks.peers`."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def key(self) -> str:
        """Its name for `--only`."""

    @property
    def queries(self) -> frozenset[str]:
        """The keys of the queries it can answer."""

    @property
    def q3_without(self) -> frozenset[str]:
        """The fields that its Q3 omits."""

    @property
    def is_installed(self) -> bool:
        """Whether it can be started."""

    @property
    def note(self) -> str:
        """A remark about it; may be empty."""

    def command(
        self, port: int, rest_url: str, *, caches: bool
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts it, and its environment variables."""


@dataclass(frozen=True)
class Gateway:
    """The gateway itself; `settings` become environment variables."""

    settings: Mapping[str, str] = field(default_factory=dict)
    name: str = "this gateway"
    key: str = "gateway"
    queries: frozenset[str] = frozenset(query.key for query in NEW_QUERIES)
    q3_without: frozenset[str] = frozenset()
    is_installed: bool = True
    note: str = ""

    def command(
        self, port: int, rest_url: str, *, caches: bool
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts it, and its settings."""
        return [sys.executable, "-m", "gateway", "serve"], {
            "GATEWAY_UPSTREAM_URL": rest_url,
            "GATEWAY_PORT": str(port),
            "GATEWAY_LOG_LEVEL": "info",
            "GATEWAY_CACHE_TTL": _HOUR_S if caches else "0",
            # A limit in a variable counts as the longest list.
            "GATEWAY_MAX_COST": "100000000",
            **self.settings,
        }


GATEWAY = Gateway()


@dataclass(frozen=True, slots=True)
class Rest:
    """A running fake REST API."""

    port: int

    def url(self, sessions: int) -> str:
        """Return the URL at which each caller has this many sessions."""
        return f"http://127.0.0.1:{self.port}/s{sessions}"

    def calls(self) -> int:
        """Return the number of its calls."""
        return int(run(ask_once(self.port, get("/calls")))[1])


@dataclass(frozen=True, slots=True)
class Server:
    """A running engine."""

    port: int
    process: Process


@contextlib.contextmanager
def rest_side(*, delay_ms: float = 0) -> Iterator[Rest]:
    """Run the fake REST API while the block lasts."""
    port = free_port()
    options = ["--port", str(port), "--delay-ms", str(delay_ms)]
    command = [sys.executable, "-m", "benchmarks.rest", *options]
    with started(command, {}, LOAD_CORE) as process:
        _wait(process, port, get("/calls"), "the REST side")
        yield Rest(port)


@contextlib.contextmanager
def serving(
    engine: Engine,
    rest_url: str,
    *,
    caches: bool,
    cores: frozenset[int] = SERVER_CORE,
    stderr: int = subprocess.DEVNULL,
) -> Iterator[Server]:
    """Run an engine while the block lasts; the block begins after its first answer."""
    port = free_port()
    command, environment = engine.command(port, rest_url, caches=caches)
    with started(command, environment, cores, stderr=stderr) as process:
        _wait(process, port, graphql(QUERIES["Q1"].body, "first"), engine.name)
        yield Server(port, process)


def until_ready_s(engine: Engine, rest_url: str) -> float:
    """Return the seconds from the start of a process to the first 200 of `/readyz`."""
    port = free_port()
    command, environment = engine.command(port, rest_url, caches=True)
    start = time.perf_counter()
    with started(command, environment, SERVER_CORE) as process:
        _wait(process, port, get("/readyz"), engine.name)
        return time.perf_counter() - start


def _wait(process: Process, port: int, request: bytes, name: str) -> None:
    """Wait until the server answers this request with 200."""
    end = time.monotonic() + _TIMEOUT_S
    seen = ""
    while time.monotonic() < end and not process.has_ended:
        try:
            status, body = run(asyncio.wait_for(ask_once(port, request), _TIMEOUT_S))
        except (OSError, TimeoutError, WrongAnswerError) as exc:
            seen = str(exc)
        else:
            if status == 200:
                return
            seen = f"{status} {body[:200]!r}"
        time.sleep(0.005)
    what = "ended by itself" if process.has_ended else "is not ready"
    raise WrongAnswerError(f"{name} {what}: {seen}")
