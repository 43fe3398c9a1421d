"""Resources of the system: the port, open files, and a directory for shared metrics."""

import contextlib
import errno
import logging
import math
import os
import socket
import sys
from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, start_http_server

from gateway.errors import CannotStartError, SettingsError
from gateway.observe.shared_metrics import SharedMetrics
from gateway.settings import Settings
from gateway.settings.parse import UNIX

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
_OTHER_FILES = 200
PASSING = {errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
PASSING |= {socket.EAI_AGAIN}  # after a boot, the network comes later


@contextlib.contextmanager
def listening(host: str, port: int, *, workers: int = 1) -> Iterator[socket.socket]:
    """Listen on an address, and close the socket at the end; a unix socket's path is removed.

    For several workers a port is only reserved: each listens with `join`.

    Raises:
        SettingsError: the address cannot be used.
    """
    is_shared = workers > 1 and sys.platform == "linux" and not host.startswith(UNIX)
    with (_reserve if is_shared else listen)(host, port) as listener:
        path = Path(host.removeprefix(UNIX)) if host.startswith(UNIX) else None
        made = path and path.stat()
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if path and made and os.path.samestat(path.stat(), made):
                    path.unlink()


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; the caller closes the socket.

    `::` accepts IPv4, too. A unix socket is open to all users who may enter its folder; one without
    a listener is replaced.

    Raises:
        SettingsError: the address cannot be used.
    """
    if not 0 <= port <= 65_535:
        raise SettingsError(f"--port {port}: ports go from 0 to 65535")
    try:
        if host.startswith(UNIX):
            return _listen_on_path(host.removeprefix(UNIX))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        is_dual = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
        )
    except (OSError, UnicodeError) as exc:
        raise cannot_listen(host, port, exc, "port") from exc


def join(listener: socket.socket) -> socket.socket:
    """Return the socket that a worker listens on: its own on a reserved port, or the shared one.

    The kernel distributes the connections to a port evenly among its sockets. With one shared
    socket, the first worker to wake accepts most connections, and two workers serve hardly more
    than one. uvicorn listens once the application has started: until then other workers get the
    connections.
    """
    is_own = sys.platform == "linux" and listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    return _bound_like(listener) if is_own else listener


def _reserve(host: str, port: int) -> socket.socket:
    with listen(host, port) as listener:  # fails if another program listens
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved = _bound_like(listener)
        # Otherwise a second gateway could take the port until a worker listens.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return reserved


def _bound_like(other: socket.socket) -> socket.socket:
    """Return one more socket at an address, which does not listen yet."""
    own = socket.socket(other.family)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        own.setsockopt(socket.SOL_SOCKET, option, 1)
    if own.family == socket.AF_INET6:
        v6_only = other.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
    own.bind(other.getsockname())
    return own


def _listen_on_path(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if Path(path).is_socket():
            with socket.socket(socket.AF_UNIX) as client:
                client.setblocking(False)  # its backlog may be full
                if client.connect_ex(path) != errno.ECONNREFUSED:
                    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            Path(path).unlink()
        elif os.path.lexists(path):  # to bind, it is in use
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        listener.bind(path)
        Path(path).chmod(0o666)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def cannot_listen(host: str, port: int, exc: OSError | UnicodeError, flag: str) -> SettingsError:
    """Return the error for an address that cannot be used; `flag` is the option of its port."""
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE and not host.startswith(UNIX):
        other = f"--{flag} {port + 1 if port < 65_535 else 8000}"
        return SettingsError(
            f"port {port} of {host} is in use: stop the other program, or pass {other}"
        )
    is_port = number == errno.EACCES and not host.startswith(UNIX)
    other = flag if is_port else flag.replace("port", "host")
    reason = "invalid host name" if isinstance(exc, UnicodeError) else exc.strerror or exc
    return (CannotStartError if number in PASSING else SettingsError)(
        f"cannot listen on {address_of(host, port)}: {reason}; give another --{other}"
    )


def address_of(host: str, port: int) -> str:
    """Return host and port as in a URL, IPv6 addresses in brackets; or `unix:/path`."""
    if host.startswith(UNIX):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(host: str, listener: socket.socket) -> str:
    """Return the address of the GraphQL endpoint."""
    if host.startswith(UNIX):
        return f"http://{host}:/graphql"  # as nginx writes it
    return f"http://{address_of(host, listener.getsockname()[1])}/graphql"


def files_needed(settings: Settings, connections: int) -> int:
    """Return the number of files that a process with so many connections may have to open.

    Each tenant has its own connections to SuperOffice, but no client waits for two calls at a time.
    """
    calls = settings.upstream_connections
    if settings.environment is not None:
        tenants = len(settings.tenants) if settings.tenants else math.inf
        clients = min(settings.max_requests + settings.max_sockets, connections)
        calls = int(min(calls * tenants, max(calls, clients)))
    return connections + calls + _OTHER_FILES


def files_limit() -> float:
    """Return the hard limit of open files."""
    if sys.platform == "win32":  # pragma: no cover - there is no such limit
        return math.inf
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return math.inf if hard == resource.RLIM_INFINITY else hard


def _raise_files_limit() -> None:
    """Raise the soft limit of open files to the hard one."""
    if sys.platform != "win32":  # pragma: no branch - there is no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(ValueError):  # macOS has a limit below the one that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def with_fewer_connections(settings: Settings) -> Settings:
    """Raise the limit of open files, and return the settings with the connections it allows.

    A refused connection is logged; running out of files is not.

    Raises:
        SettingsError: it allows none.
    """
    _raise_files_limit()
    most, needed = files_limit(), partial(files_needed, settings)
    fewer = bisect_right(range(1, settings.max_connections + 1), most, key=needed)
    if fewer == settings.max_connections:
        return settings
    if fewer < 1:
        needs = f"{needed(settings.max_connections)} may be needed: raise the limit"
        raise SettingsError(f"{most} files may be open, and {needs} (LimitNOFILE=, ulimit -n)")
    logger.warning("The limit of open files leaves room for %d connections: more are closed", fewer)
    return settings.model_copy(update={"max_connections": fewer})


@contextlib.contextmanager
def shared_metrics(settings: Settings) -> Iterator[Path | None]:
    """Yield a directory for the metrics of the workers, if they need one.

    Metrics with a port of their own are served by a thread of this process.

    Raises:
        SettingsError: the directory cannot be made, or the port cannot be used.
    """
    host, port = settings.metrics_address, settings.metrics_port
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
                server, thread = start_http_server(port, host, registry)
            except (OSError, UnicodeError) as exc:
                raise cannot_listen(host, port, exc, "metrics-port") from exc
            for close in (thread.join, server.server_close, server.shutdown):  # the last one first
                stack.callback(close)
            logger.info("metrics on http://%s/metrics", address_of(host, server.server_port))
        yield directory
