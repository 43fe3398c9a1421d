"""`gateway dashboard`: a Grafana dashboard for the gateway's metrics."""

import json

from gateway.commands.arguments import Commands, add_command


def register(commands: Commands) -> None:
    """Add the command."""
    add_command(commands, "dashboard", _run, "print a Grafana dashboard, as JSON to import")


def _run() -> None:
    from gateway.observe.dashboard import dashboard

    print(json.dumps(dashboard(), indent=2))  # noqa: T201
