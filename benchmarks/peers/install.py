"""Installs the peers, and writes their schemas."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.ordinary_types import module_text
from benchmarks.peers.peer import CACHE
from benchmarks.peers.sdl import Source, source

__all__ = ["install"]

_HERE = Path(__file__).parent
_INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")


def install() -> None:
    """Install and write the missing parts; print a line for each that cannot be installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
    _write_schema(source())
    for folder in ("js", "hive", "tailcall"):
        try:
            _install(folder)
        except OSError as exc:
            _say(f"peers in {folder}: left out: {exc}")
        except subprocess.CalledProcessError as exc:
            _say(f"peers in {folder}: left out: {_first_line(exc.stderr)}")


def _write_schema(rest: Source) -> None:
    (CACHE / "schema.graphql").write_text(rest.sdl(), encoding="utf-8")
    (CACHE / "names.json").write_text(json.dumps(rest.names()), encoding="utf-8")
    types = CACHE / "ordinary" / "chat_types.py"
    types.parent.mkdir(exist_ok=True)
    types.write_text(module_text(rest), encoding="utf-8")


def _install(folder: str) -> None:
    """Copy a folder and install its packages, unless they are installed for the same files."""
    target = CACHE / folder
    shutil.copytree(_HERE / folder, target, dirs_exist_ok=True)
    installed = target / "installed.json"
    wanted = json.dumps([source().sdl(), *(_text(file) for file in _files(folder))])
    if installed.exists() and _text(installed) == wanted:
        return
    installed.unlink(missing_ok=True)
    _say(f"installing the peers in {folder}")
    subprocess.run(_INSTALL, cwd=target, check=True, capture_output=True, text=True)  # noqa: S603  our own command
    installed.write_text(wanted, encoding="utf-8")


def _files(folder: str) -> list[Path]:
    return sorted((_HERE / folder).iterdir())


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201  the command line's own words
