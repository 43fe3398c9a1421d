"""Run the gateway, or the demo REST server, under uvicorn."""

import contextlib
import gc
import logging
import math
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, start_http_server
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from gateway.demo.app import create_demo_app
from gateway.errors import SettingsError
from gateway.observe.logs import configure_logs
from gateway.observe.sharing import SharedMetrics
from gateway.settings import Settings
from gateway.web.app import create_app
from gateway.web.http_protocol import GatewayProtocol

__all__ = ["demo_upstream", "serve", "serve_upstream"]

_LOOPBACK = "127.0.0.1"
_GC_THRESHOLDS = (50_000, 20, 100)
_LARGEST_WEBSOCKET_MESSAGE = 2**20

logger = logging.getLogger(__name__)


def serve(
    settings: Settings,
    *,
    when_ready: Callable[[str], None] | None = None,
    demo_users: Sequence[tuple[str, str]] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are finished first.

    `when_ready` gets the address of the GraphQL endpoint once the port is open. `demo_users` are
    names and their Authorization, for the query page to offer.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    create_app(settings)  # for what is wrong with it, before anything is started
    configure_logs(settings.log_level, settings.log_format)
    with _shared_metrics(settings) as metrics_directory:
        _serve(settings, when_ready, partial(_worker_app, settings, demo_users, metrics_directory))


def _serve(
    settings: Settings, when_ready: Callable[[str], None] | None, app: Callable[[], Starlette]
) -> None:
    listener = _listen(settings.host, settings.port)
    url = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}/graphql"
    config = _config(
        app,
        factory=True,
        workers=settings.workers,
        ws_max_size=_LARGEST_WEBSOCKET_MESSAGE,
        # Whatever is in flight ends with its REST call; then a moment to answer.
        timeout_graceful_shutdown=math.ceil(settings.upstream_timeout) + 2,
    )
    logger.info("serving %s over %s", url, settings.upstream_url)
    if when_ready:
        when_ready(url)
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        _Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _shared_metrics(settings: Settings) -> Iterator[Path | None]:
    """Give the workers a directory to share what they count in, if they have to.

    On a port of their own the metrics are served from this process, by a thread.
    """
    if settings.workers == 1 and settings.metrics_port is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as name:
        if settings.metrics_port is None:
            yield Path(name)
            return
        registry = CollectorRegistry()
        registry.register(SharedMetrics(Path(name)))
        try:
            server, thread = start_http_server(settings.metrics_port, settings.host, registry)
        except OSError as exc:
            raise _cannot_listen(settings.host, settings.metrics_port, exc, "metrics-port") from exc
        address = f"http://{_shown(settings.host)}:{server.server_port}/metrics"
        logger.info("metrics on %s", address)
        try:
            yield Path(name)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def serve_upstream(port: int, **options: Any) -> None:
    """Serve the demo REST server until SIGINT or SIGTERM."""
    listener = _listen(_LOOPBACK, port)
    configure_logs("info", "auto")
    logger.info("demo REST server on http://%s:%s", *listener.getsockname())
    _Server(_config(create_demo_app(**options))).run(sockets=[listener])


@contextlib.contextmanager
def demo_upstream(**options: Any) -> Iterator[str]:
    """Run the demo REST server on a free port in a thread; gives its address."""
    listener = _listen(_LOOPBACK, 0)
    server = uvicorn.Server(_config(create_demo_app(**options)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)  # pragma: no cover - it may have started already
    try:
        yield f"http://{_LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """Returns after SIGINT and SIGTERM.

    uvicorn raises the signal once more when it is done: that ends the process before anything
    else can be closed, with a traceback or with exit code 143.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what is in flight; a second Ctrl+C does not wait for it."""
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _worker_app(
    settings: Settings, demo_users: Sequence[tuple[str, str]], metrics_directory: Path | None
) -> Starlette:
    """Build the app where it runs: with several workers, each in a process of its own."""
    configure_logs(settings.log_level, settings.log_format)
    app = create_app(settings, demo_users=demo_users, metrics_directory=metrics_directory)
    _spare_the_collector()
    return app


def _spare_the_collector() -> None:
    """Keep Python's garbage collector from going through what is no garbage, over and over.

    Schema and modules stay for good. Answers are trees of thousands of objects that go as soon as
    they are sent; by default the collector would look at most of them once or twice before.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _config(app: Any, **options: Any) -> uvicorn.Config:
    # uvicorn's access log would print query strings, and with them customers' data.
    return uvicorn.Config(
        app,
        http=GatewayProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing goes by a client's address
        **options,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise SettingsError(f"--port {port}: ports go from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise _cannot_listen(host, port, exc, "port") from exc


def _cannot_listen(host: str, port: int, exc: OSError, flag: str) -> SettingsError:
    return SettingsError(
        f"cannot listen on {_shown(host)}:{port}: {exc.strerror or exc}; choose another address "
        f"with --host and --{flag}, or GATEWAY_HOST and GATEWAY_{flag.upper().replace('-', '_')}"
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
