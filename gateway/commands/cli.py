"""The `gateway` command. Only the modules of the chosen command are imported."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from gateway.errors import SettingsError

_COMMANDS = {
    "serve": "run the gateway over SuperOffice",
    "demo": "run the gateway over demo data, to try it out",
    "upstream": "run the demo REST server alone",
    "query": "run one GraphQL operation and print its answer",
    "doctor": "check settings, network and SuperOffice",
    "dashboard": "print a Grafana dashboard, as JSON to import",
    "schema": "write or check schema.graphql",
    "docs": "print a page of the manual",
}
"""Each command is the module of this name: its `register` adds the arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (it failed) or 2 (wrong usage)."""
    given = sys.argv[1:] if argv is None else argv
    arguments = vars(_parser(given).parse_args(given))
    run = arguments.pop("run")
    try:
        return int(run(**arguments) or 0)
    except SettingsError as exc:
        print(f"gateway: {exc}", file=sys.stderr)  # noqa: T201  the command line's own words
        return 2


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="A GraphQL gateway over SuperOffice's chat sessions."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in _COMMANDS.items():
        description = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(name, help=text, description=description, allow_abbrev=False)
        if name in given:
            import_module(f"gateway.commands.{name}").register(command)
    return parser
