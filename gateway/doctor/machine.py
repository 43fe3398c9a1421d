"""What this machine has for the gateway: its port, and open files."""

import errno
import resource
import socket

from gateway.doctor.finding import Finding
from gateway.settings import Settings

__all__ = ["open_files", "port", "warnings"]

_FOR_THE_REST = 200


def warnings(settings: Settings) -> list[Finding]:
    """Tell what the settings themselves have to say."""
    return [Finding("settings", "warn", text) for text in settings.warnings]


def port(settings: Settings) -> Finding:
    """See whether the port can be listened on."""
    address = f"{settings.host}:{settings.port}"
    try:
        family, *_, where = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            found = f"something listens on {address} already"
            return Finding("port", "warn", found, "unless it is this gateway, choose another one")
        return Finding("port", "fail", f"{address} cannot be listened on: {exc.strerror}")
    return Finding("port", "ok", f"{address} is free")


def open_files(settings: Settings) -> Finding:
    """See whether the process may have as many connections open as it is set to."""
    needed = settings.max_connections + settings.upstream_connections + _FOR_THE_REST
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        advice = "raise the limit (LimitNOFILE=, ulimit -n), or lower GATEWAY_MAX_CONNECTIONS"
        found = f"{most} may be open, and {needed} may be needed"
        return Finding("open files", "warn", found, advice)
    return Finding("open files", "ok", f"{needed} may be needed, and may be open")
