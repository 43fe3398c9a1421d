"""The `gateway` command. What a command needs is imported when it runs."""

import argparse
import sys
from collections.abc import Sequence

from gateway.commands import dashboard, demo, query, schema, serve
from gateway.commands.doctor import command as doctor
from gateway.errors import SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (it failed) or 2 (wrong usage)."""
    arguments = vars(_parser().parse_args(argv))
    run = arguments.pop("run")
    try:
        return int(run(**arguments) or 0)
    except SettingsError as exc:
        print(f"gateway: {exc}", file=sys.stderr)  # noqa: T201  the command line's own words
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="A GraphQL gateway over SuperOffice's chat sessions."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.register(commands)
    demo.register(commands)
    demo.register_upstream(commands)
    query.register(commands)
    doctor.register(commands)
    dashboard.register(commands)
    schema.register(commands)
    return parser
