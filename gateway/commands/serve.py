"""`gateway serve`: serve a SuperOffice installation, or the tenants of SuperOffice Online."""

from gateway.commands.arguments import Commands, add_command, add_settings
from gateway.settings import Settings


def register(commands: Commands) -> None:
    """Add the command."""
    add_settings(add_command(commands, "serve", _run, "run the gateway over SuperOffice"))


def _run(**flags: str) -> None:
    from gateway.server.run import serve

    serve(Settings.load(**flags))
