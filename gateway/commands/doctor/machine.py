"""What this machine has for the gateway: its port, and open files."""

import errno
import socket
from contextlib import ExitStack

from gateway.commands.doctor.finding import Finding
from gateway.server import open_files as files
from gateway.settings import Settings

__all__ = ["open_files", "ports", "warnings"]


def warnings(settings: Settings) -> list[Finding]:
    """Tell what the settings themselves have to say."""
    return [Finding("settings", "warn", text) for text in settings.warnings]


def ports(settings: Settings) -> list[Finding]:
    """See whether the ports can be listened on, all at once."""
    with ExitStack() as held:
        findings = [_port("port", settings.host, settings.port, held)]
        if settings.metrics_port is not None:
            findings.append(_port("metrics port", settings.host, settings.metrics_port, held))
    return findings


def _port(check: str, host: str, port: int, held: ExitStack) -> Finding:
    address = f"{host}:{port}"
    try:
        family, *_, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(1)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            found = f"something listens on {address} already"
            return Finding(check, "warn", found, "unless it is this gateway, choose another one")
        return Finding(check, "fail", f"{address} cannot be listened on: {exc.strerror}")
    return Finding(check, "ok", f"{address} is free")


def open_files(settings: Settings) -> Finding:
    """See whether the process may have as many connections open as it is set to."""
    needed, most = files.needed(settings), files.limit()
    if most < needed:
        advice = "raise the limit (LimitNOFILE=, ulimit -n), or lower GATEWAY_MAX_CONNECTIONS"
        found = f"{most} may be open, and {needed} may be needed"
        return Finding("open files", "warn", found, advice)
    return Finding("open files", "ok", f"{needed} may be needed, and may be open")
