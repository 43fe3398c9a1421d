"""The command line: `python -m benchmarks [table | growth | savings | memory | …]`."""

import argparse
import signal
import sys

from benchmarks import report
from benchmarks.answers import WrongAnswerError
from benchmarks.growth import run_growth
from benchmarks.hostile import run_hostile
from benchmarks.live import run_live
from benchmarks.memory import run_memory
from benchmarks.overload import run_overload
from benchmarks.plots import PlotError
from benchmarks.processes import pin_load
from benchmarks.report import Options
from benchmarks.savings import run_savings
from benchmarks.soak import run_soak
from benchmarks.stalls import run_stalls
from benchmarks.table import run_table

_COMMANDS = {
    "table": run_table,
    "growth": run_growth,
    "savings": run_savings,
    "memory": run_memory,
    "overload": run_overload,
    "live": run_live,
    "soak": run_soak,
    "hostile": run_hostile,
    "stalls": run_stalls,
}


def main() -> int:
    """Run one command; the exit code is 1 if the measurement is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the gateway, and others beside it."
    )
    parser.add_argument("command", choices=_COMMANDS, nargs="?", default="table")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY",
        help="this engine, growth or part only; may be given again",
    )
    parser.add_argument("--seconds", type=float, default=3, help="length of a measurement (3)")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before it (2)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (3)")
    parser.add_argument("--connections", type=int, default=32, help="that ask at once (32)")
    arguments = parser.parse_args()
    options = Options(
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        connections=arguments.connections,
        warm_up_s=arguments.warm_up,
        only=frozenset(arguments.only),
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that started processes are stopped
    pin_load()
    try:
        _COMMANDS[arguments.command](options)
    except (PlotError, ValueError, WrongAnswerError) as exc:
        report.progress(f"benchmarks: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
