"""`gateway serve`: serve a SuperOffice installation, or the tenants of SuperOffice Online."""

import argparse

from gateway.commands.arguments import add_settings
from gateway.settings import Settings


def register(command: argparse.ArgumentParser) -> None:
    """Add a flag for each setting."""
    command.set_defaults(run=_run)
    add_settings(command, "")


def _run(**flags: str) -> None:
    from gateway.server.run import serve

    serve(Settings.load(**flags))
