"""Run the gateway, or the demo REST server, under uvicorn."""

import asyncio
import contextlib
import errno
import gc
import logging
import math
import os
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

from gateway.app import create_app
from gateway.demo.app import create_demo_app
from gateway.demo.network import DemoNetwork
from gateway.errors import SettingsError
from gateway.observe.logs import configure_logs
from gateway.observe.sharing import SharedMetrics
from gateway.server import open_files
from gateway.server.protocol import GatewayProtocol
from gateway.server.workers import Workers
from gateway.settings import Settings
from gateway.wiring.schema import check

__all__ = ["demo_upstream", "serve", "serve_upstream"]

_LOOPBACK = "127.0.0.1"
_GC_THRESHOLDS = (50_000, 20, 100)
_PATIENCE_WITH_WORKERS_S = 5
_TICK_S = 0.1

logger = logging.getLogger(__name__)


def serve(
    settings: Settings,
    *,
    when_ready: Callable[[str], None] | None = None,
    demo_users: Sequence[tuple[str, str]] = (),
    demo_url: str | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are finished first.

    `when_ready` gets the address of the GraphQL endpoint once the port is open. `demo_users` are
    names and their Authorization, for the query page to offer. `demo_url` is the demo REST server
    that stands in for all of SuperOffice Online.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    check(settings)  # before anything is started
    with _listen(settings.host, settings.port) as listener:
        configure_logs(settings.log_level, settings.log_format)
        for warning in settings.warnings:
            logger.warning(warning)
        settings = open_files.raised_for(settings)
        with _shared_metrics(settings) as metrics_directory:
            app = partial(_worker_app, settings, demo_users, demo_url, metrics_directory)
            _serve(settings, listener, app, when_ready)


def _serve(
    settings: Settings,
    listener: socket.socket,
    app: Callable[[], Starlette],
    when_ready: Callable[[str], None] | None,
) -> None:
    url = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}/graphql"
    # Whatever is in flight ends with its REST call; then a moment to answer.
    finish_s = math.ceil(settings.upstream_timeout) + 2
    config = _config(
        app,
        factory=True,
        ws_max_size=int(settings.max_body_bytes),
        timeout_graceful_shutdown=finish_s,
    )
    delay_s = settings.shutdown_delay
    logger.info("serving %s over %s", url, settings.address)
    if when_ready:
        when_ready(url)
    if settings.workers > 1:
        Workers(
            partial(_work, config, delay_s, os.getpid()),
            listener,
            count=settings.workers,
            patience_s=delay_s + finish_s + _PATIENCE_WITH_WORKERS_S,
        ).run()
    else:
        _Server(config, delay_s).run(sockets=[listener])


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
    """Lets clients go elsewhere before it stops, and returns after SIGINT and SIGTERM.

    Between the two it serves on, for `shutdown_delay_s`: load balancers need a while to see that
    it is not ready any more. uvicorn closes the port at once; and it raises the signal again when
    it is done, which would end the process with a traceback or with exit code 143.
    """

    def __init__(self, config: uvicorn.Config, shutdown_delay_s: float = 0) -> None:
        super().__init__(config)
        self.shutdown_delay_s = shutdown_delay_s
        self.is_hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; do not, with Ctrl+C or a second signal; or, with one more Ctrl+C, drop it all."""
        self.force_exit |= self.is_hurried and sig == signal.SIGINT
        self.is_hurried |= self.should_exit or sig == signal.SIGINT
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until a signal comes, and drain."""
        await super().main_loop()
        self.config.loaded_app.state.is_ready = False
        for connection in list(self.server_state.connections):
            if isinstance(connection, GatewayProtocol):  # pragma: no branch - WebSockets are else
                connection.drain()
        ticks = math.ceil(self.shutdown_delay_s / _TICK_S)
        for tick in range(ticks):
            if self.is_hurried:
                break
            await self.on_tick(tick)
            await asyncio.sleep(_TICK_S)
        self.is_hurried = True


class _Worker(_Server):
    """One of several: it may get the same SIGTERM more than once, and SIGUSR1 hurries it.

    It drains, too, when its supervisor is gone: nobody else would ever tell it to.
    """

    def __init__(self, config: uvicorn.Config, shutdown_delay_s: float, supervisor: int) -> None:
        super().__init__(config, shutdown_delay_s)
        self.supervisor = supervisor

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether it is time to stop."""
        self.should_exit |= os.getppid() != self.supervisor
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at SIGTERM, be it the first or not."""
        if sig == signal.SIGINT or not self.should_exit:
            super().handle_exit(sig, frame)

    def hurry(self, sig: int, frame: FrameType | None) -> None:
        """Drain no longer."""
        self.is_hurried = True


def _work(
    config: uvicorn.Config, shutdown_delay_s: float, supervisor: int, listener: socket.socket
) -> None:
    server = _Worker(config, shutdown_delay_s, supervisor)
    signal.signal(signal.SIGUSR1, server.hurry)
    server.run(sockets=[listener])


def _worker_app(
    settings: Settings,
    demo_users: Sequence[tuple[str, str]],
    demo_url: str | None,
    metrics_directory: Path | None,
) -> Starlette:
    """Build the app where it runs: with several workers, each in a process of its own."""
    configure_logs(settings.log_level, settings.log_format)
    app = create_app(
        settings,
        upstream_transport=DemoNetwork(demo_url) if demo_url else None,
        demo_users=demo_users,
        metrics_directory=metrics_directory,
    )
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
    other = flag if exc.errno in {errno.EADDRINUSE, errno.EACCES} else "host"
    return SettingsError(
        f"cannot listen on {_shown(host)}:{port}: {exc.strerror or exc}; give another --{other}"
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
