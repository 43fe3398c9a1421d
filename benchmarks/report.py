"""The output of the commands: Markdown tables, and the same numbers in JSON files."""

import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = [
    "RESULTS",
    "Options",
    "chosen",
    "markdown",
    "number",
    "progress",
    "say",
    "say_environment",
    "write_json",
]

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("strawberry-graphql", "graphql-core", "starlette", "uvicorn", "uvloop", "httpx")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a measurement; each command uses those that apply to it."""

    seconds: float
    rounds: int
    connections: int
    warm_up_s: float
    only: frozenset[str] = frozenset()


def say(text: str) -> None:
    """Print without a buffer, so that a file with the output can be followed."""
    print(text, flush=True)  # noqa: T201  the command line's own words


def progress(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def environment() -> dict[str, str]:
    """Return the date and the system of this measurement."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def say_environment() -> None:
    """Print the date and the system of this measurement."""
    told = environment()
    date, cpu, system = told.pop("date"), told.pop("cpu"), told.pop("system")
    versions = ", ".join(f"{name} {value}" for name, value in told.items())
    say(f"{date}, {cpu}, {system}; {versions}\n")


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table with a first column of text and others of numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def number(value: float) -> str:
    """Write a number with its significant digits, and with separated thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def chosen(known: Iterable[str], only: frozenset[str]) -> list[str]:
    """Return the names that were asked for, or all.

    Raises:
        ValueError: there is no such name.
    """
    names = list(known)
    unknown = sorted(only.difference(names))
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}, but {', '.join(names)}")
    return [name for name in names if not only or name in only]


def write_json(name: str, content: Any, options: Options) -> None:
    """Write the numbers of a command to a file with the names of command and selection."""
    how = {"seconds": options.seconds, "rounds": options.rounds, "connections": options.connections}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"environment": environment(), "options": how, **content}, indent=1)
    (RESULTS / f"{'-'.join([name, *sorted(options.only)])}.json").write_text(text + "\n", "utf-8")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
