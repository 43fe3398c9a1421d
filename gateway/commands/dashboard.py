"""`gateway dashboard`: a Grafana dashboard for the gateway's metrics."""

import argparse
from importlib.resources import files


def register(command: argparse.ArgumentParser) -> None:
    """Make the command run."""
    text = files("gateway.observe").joinpath("dashboard.json").read_text("utf-8")
    command.set_defaults(run=lambda: print(text, end=""))  # noqa: T201
