"""`gateway upstream`: the demo REST server alone."""

import argparse
from pathlib import Path
from typing import Any

from gateway.commands.demo import add_data
from gateway.errors import SettingsError


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    command.add_argument("--port", type=int, default=8001, help="port to listen on (8001)")
    command.add_argument("--sample", type=Path, metavar="FILE", help="answer with this file")
    command.add_argument("--webhook-url", metavar="URL", help="send webhooks to this address")
    command.add_argument(
        "--webhook-secret", metavar="SECRET", default="", help="key that signs the webhooks"
    )
    add_data(command)


def serve_upstream(port: int, **options: Any) -> None:  # those of create_demo_app
    """Serve the demo REST server until SIGINT or SIGTERM."""
    from gateway.demo.app import create_demo_app
    from gateway.server.run import serve_app

    serve_app(create_demo_app(**options), port, "demo REST server")


def _run(
    port: int, sample: Path | None, webhook_url: str | None, webhook_secret: str, **data: int
) -> None:
    from gateway.demo.webhooks import Hook

    if sample and not sample.is_file():
        raise SettingsError(f"--sample {sample}: there is no such file")
    if webhook_url and not webhook_secret:
        raise SettingsError("--webhook-url needs --webhook-secret")
    hook = Hook(webhook_secret, webhook_url) if webhook_url else None
    serve_upstream(port, sample=sample, hook=hook, **data)
