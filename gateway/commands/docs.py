"""`gateway docs`: the manual on a terminal."""

import argparse
import pydoc
import re
import sys

from gateway.web.pages.docs import text, titles


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    command.add_argument(
        "page", nargs="?", metavar="PAGE", choices=titles(), help=f"one of {', '.join(titles())}"
    )


def _run(page: str | None) -> None:
    if page is None:
        shown = "".join(f"{name:22}{text(name).splitlines()[2]}\n" for name in titles())
    else:
        shown = re.sub(r"<picture>.*?</picture>\n+", "", text(page), flags=re.DOTALL)
    if page and sys.stdout.isatty():
        pydoc.pager(shown)
    else:
        print(shown, end="")  # noqa: T201  what the command is for
