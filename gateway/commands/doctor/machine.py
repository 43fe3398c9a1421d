"""What the gateway needs of this machine: ports and open files."""

import errno
import socket
from contextlib import ExitStack

from gateway.commands.doctor.finding import Finding
from gateway.server import resources
from gateway.settings import Settings


def warnings(settings: Settings) -> list[Finding]:
    """Report what the settings themselves warn of."""
    return [Finding("settings", "warn", text) for text in settings.warnings]


def ports(settings: Settings) -> list[Finding]:
    """Check that the ports are free, all at the same time."""
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
            advice = "stop the other program or choose another port, unless it is this gateway"
            return Finding(check, "warn", f"{address} is in use", advice)
        return Finding(check, "fail", f"cannot listen on {address}: {exc.strerror}")
    except UnicodeError:
        return Finding(check, "fail", f"cannot listen on {address}: invalid host name")
    return Finding(check, "ok", f"{address} is free")


def open_files(settings: Settings) -> Finding:
    """Check that the process may open as many files as the settings can require."""
    needed, limit = resources.files_needed(settings), resources.files_limit()
    if limit < needed:
        advice = "raise the limit (LimitNOFILE=, ulimit -n), or lower GATEWAY_MAX_CONNECTIONS"
        found = f"the limit is {limit:g}, and {needed} may be needed"
        return Finding("open files", "warn", found, advice)
    return Finding("open files", "ok", f"{needed} may be needed, which the limit allows")
