"""The `gateway` command. Only the modules of the chosen command are imported."""

import argparse
import contextlib
import io
import os
import re
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from gateway import __version__
from gateway.errors import SettingsError
from gateway.server.signals import handle_early_signals

_COMMANDS = {
    "serve": "run the gateway over SuperOffice",
    "demo": "run the gateway over demo data, to try it out",
    "upstream": "run the demo REST server alone",
    "query": "run one GraphQL operation and print its answer",
    "doctor": "check settings, network and SuperOffice",
    "dashboard": "print a Grafana dashboard, as JSON to import",
    "alerts": "print alert rules for Prometheus, as YAML",
    "schema": "write or check schema.graphql",
    "docs": "print a page of the manual",
}
"""Each command is a module of the same name; its `register` adds the arguments."""

_SERVERS = ("serve", "demo", "upstream")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (it failed), 2 (wrong usage) or 130 (Ctrl+C)."""
    _open_streams()
    # A dead name server would take 5 s each time, longer than connecting may.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:3")  # resolv.conf(5)
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()  # at exit, an error could not be handled
    except KeyboardInterrupt:  # a server handles it once it has started
        return 130
    except OSError as exc:
        # Python would write the rest at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(exc, BrokenPipeError):  # the reader has enough, as `head`
            return 0
        _print_error(f"{exc.filename or 'stdout'}: {exc.strerror or exc}", ())
        return 1


def _open_streams() -> None:
    """Write UTF-8, except to a terminal; replace a closed stream by one that fails when used."""
    sys.stdin = sys.stdin or Path(os.devnull).open("w")  # noqa: SIM115  until the process ends
    sys.stdout = sys.stdout or Path(os.devnull).open()  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] in _SERVERS:
        handle_early_signals()  # before the imports, which take a while
    parser = _parser(argv)
    if not argv:
        parser.print_help()
        return 0
    parsed, unknown = parser.parse_known_args(argv)
    arguments = vars(parsed)
    command, run = arguments.pop("command"), arguments.pop("run")
    if unknown:
        command.error(_unrecognized(unknown, command.format_help()))
    try:
        return int(run(**arguments) or 0)
    except SettingsError as exc:
        _print_error(str(exc), arguments)
        return exc.exit_code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="A GraphQL gateway over SuperOffice's chat sessions."
    )
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in _COMMANDS.items():
        description = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(name, help=text, description=description, allow_abbrev=False)
        command.set_defaults(command=command)
        if name in argv:
            import_module(f"gateway.commands.{name}").register(command)
    return parser


def _unrecognized(arguments: Sequence[str], help_text: str) -> str:
    """Return the message about unknown arguments, with the flag that is most similar."""
    known = re.findall(r"--[a-z-]+", help_text)
    near = get_close_matches(arguments[0].partition("=")[0], known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    # Values are not quoted: one may be the credentials after a misspelt flag.
    flags = [text.partition("=")[0] for text in arguments if text.startswith("-")]
    return f"unrecognized arguments: {' '.join(flags) or 'more values than flags'}{hint}"


def _print_error(text: str, flags: Collection[str]) -> None:
    """Print why a command cannot run; settings that came as `flags` are named as flags."""
    from gateway.settings.messages import with_flags

    if logs := sys.modules.get("gateway.observe.logs"):
        logs.wait_until_written()  # so that the error is the last line
    with contextlib.suppress(OSError):  # a full disk or a closed pipe: the exit code remains
        print(f"gateway: {with_flags(text, flags)}", file=sys.stderr)  # noqa: T201
