"""What the server takes from the system: its port, open files, and a place for shared metrics."""

import contextlib
import errno
import logging
import math
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, start_http_server

from gateway.errors import SettingsError
from gateway.observe.sharing import SharedMetrics
from gateway.settings import Settings

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_OTHER_FILES = 200


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


def files_needed(settings: Settings) -> int:
    """Return how many files the settings may lead to."""
    return settings.max_connections + settings.upstream_connections + _OTHER_FILES


def files_limit() -> float:
    """Return how many files the system allows this process at most: its hard limit."""
    if sys.platform == "win32":  # pragma: no cover - there is no such limit
        return math.inf
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return math.inf if hard == resource.RLIM_INFINITY else hard


def with_fewer_connections(settings: Settings) -> Settings:
    """Raise the limit to the hard one, and return the settings with the connections it allows.

    A refused connection is logged; running out of files is not.

    Raises:
        SettingsError: it leaves none.
    """
    if sys.platform != "win32":  # pragma: no branch - there is no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(ValueError):  # macOS has a limit below the one that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = files_limit()
    fewer = settings.max_connections + most - files_needed(settings)
    if fewer >= settings.max_connections:
        return settings
    if fewer < 1:
        needs = f"{files_needed(settings)} may be needed: raise the limit (LimitNOFILE=, ulimit -n)"
        raise SettingsError(f"{most} files may be open, and {needs}")
    logger.warning("The limit of open files leaves room for %d connections: more are closed", fewer)
    return settings.model_copy(update={"max_connections": fewer})


@contextlib.contextmanager
def shared_metrics(settings: Settings) -> Iterator[Path | None]:
    """Give the workers a directory to write their metrics to, if they need one.

    With a port of their own, the metrics are served from this process, by a thread.

    Raises:
        SettingsError: there is no place for the directory, or the port cannot be listened on.
    """
    port = settings.metrics_port
    if settings.workers == 1 and port is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="gateway-metrics-")))
        except OSError as exc:
            raise SettingsError(
                f"GATEWAY_WORKERS and GATEWAY_METRICS_PORT need a temporary directory; name a "
                f"writable one in TMPDIR: {exc.strerror or exc}"
            ) from exc
        if port is not None:
            registry = CollectorRegistry()
            registry.register(SharedMetrics(directory))
            try:
                server, thread = start_http_server(port, settings.host, registry)
            except OSError as exc:
                raise cannot_listen(settings.host, port, exc, "metrics-port") from exc
            for close in (thread.join, server.server_close, server.shutdown):  # the last one first
                stack.callback(close)
            logger.info(
                "metrics on http://%s:%d/metrics", in_url(settings.host), server.server_port
            )
        yield directory
