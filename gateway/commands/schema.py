"""`gateway schema`: write `schema.graphql`, or check that it is up to date."""

import argparse
import sys
from pathlib import Path

from gateway.errors import SettingsError

_FILE = Path("schema.graphql")


def register(command: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("export", _export, "write the schema to a file, or to stdout with -"),
        ("check", _check, "fail unless the file holds the current schema"),
    ):
        action = actions.add_parser(
            name, help=text, description=f"{text.capitalize()}.", allow_abbrev=False
        )
        action.set_defaults(run=run)
        action.add_argument(
            "file", type=Path, nargs="?", default=_FILE, help=f"path of the file ({_FILE})"
        )


def _export(file: Path) -> None:
    from gateway.schema.build import sdl

    if str(file) == "-":
        sys.stdout.write(sdl())
        return
    try:
        file.write_bytes(sdl().encode())
    except OSError as exc:
        raise SettingsError(f"cannot write {file}: {exc.strerror}") from exc


def _check(file: Path) -> int:
    from gateway.schema.build import sdl

    is_there = file.is_file()
    if is_there and file.read_text("utf-8-sig", errors="replace") == sdl():
        return 0
    problem = "is not the current schema" if is_there else "is missing"
    command = "gateway schema export" + (f" {file}" if file != _FILE else "")
    print(f"gateway: {file} {problem}; run: {command}", file=sys.stderr)  # noqa: T201
    return 1
