"""`gateway dashboard`: a Grafana dashboard for the gateway's metrics."""

import argparse
import json

from gateway.observe.dashboard import dashboard


def register(command: argparse.ArgumentParser) -> None:
    """Make the command run."""
    command.set_defaults(run=lambda: print(json.dumps(dashboard(), indent=2)))  # noqa: T201
