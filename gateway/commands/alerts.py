"""`gateway alerts`: Prometheus rules over the gateway's metrics."""

import argparse
from importlib.resources import files


def register(command: argparse.ArgumentParser) -> None:
    """Set the command's action."""
    text = files("gateway.observe").joinpath("alerts.yml").read_text("utf-8")
    command.set_defaults(run=lambda: print(text, end=""))  # noqa: T201
