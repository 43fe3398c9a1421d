"""Open the port, or say in one line why that is not possible."""

import errno
import socket

from gateway.errors import SettingsError

LOOPBACK = "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; the caller closes the socket.

    Raises:
        SettingsError: that is not possible.
    """
    if not 0 <= port <= 65_535:
        raise SettingsError(f"--port {port}: ports go from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise cannot_listen(host, port, exc, "port") from exc


def cannot_listen(host: str, port: int, exc: OSError, flag: str) -> SettingsError:
    """Return the error for an address that cannot be listened on; `flag` is that of its port."""
    other = flag if exc.errno in {errno.EADDRINUSE, errno.EACCES} else "host"
    return SettingsError(
        f"cannot listen on {in_url(host)}:{port}: {exc.strerror or exc}; give another --{other}"
    )


def in_url(host: str) -> str:
    """Return a host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
