"""Run the gateway, or any other Starlette app, under uvicorn.

The application and uvicorn are imported where they are needed: most of a start is imports, and the
supervisor of several workers needs neither.
"""

import contextlib
import gc
import logging
import math
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import SettingsError
from gateway.observe.logs import configure_logs
from gateway.server.resources import (
    LOOPBACK,
    join,
    listen,
    listening,
    shared_metrics,
    url_of,
    with_fewer_connections,
)
from gateway.server.workers import Report, Workers
from gateway.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    MakeApp = Callable[..., Starlette]

# Answers are trees of thousands of objects that are freed as soon as they are sent. By default, the
# garbage collector would visit most of them once or twice before. It blocks the event loop for some
# 2 ms for the youngest generation, and for 10 ms for the others, as records are exempt. Requests
# leave no cycles, so the oldest generation has little to collect.
_GC_THRESHOLDS = (10_000, 2, 50)
_WORKERS_TIMEOUT_S = 5

logger = logging.getLogger(__name__)


def serve(
    settings: Settings,
    *,
    make_app: "MakeApp | None" = None,
    when_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are finished first.

    Args:
        settings: how the gateway behaves.
        make_app: builds the app of a process from the settings and `metrics_directory`, by
            default `create_app`; workers get it pickled.
        when_ready: called with the address of the GraphQL endpoint once all processes serve.

    Raises:
        SettingsError: the gateway cannot start.
    """
    with listening(settings.host, settings.port, workers=settings.workers) as listener:
        configure_logs(settings.log_level, settings.log_format)
        settings = with_fewer_connections(settings)
        with shared_metrics(settings) as metrics_directory:
            build = partial(_build, settings, make_app, metrics_directory)
            with _without_gc():
                app = build() if settings.workers == 1 else None
            url = url_of(settings.host, listener)

            def announce() -> None:
                logger.info("serving %s over %s", url, settings.address)
                for warning in settings.warnings:
                    logger.warning(warning)
                if when_ready:
                    when_ready(url)

            # Requests in progress need the time of a REST call, and a moment to answer.
            finish_s, delay_s = math.ceil(settings.upstream_timeout) + 2, settings.shutdown_delay
            options = {
                "ws_max_size": int(settings.max_body_bytes),
                "timeout_keep_alive": settings.keep_alive,
                "timeout_graceful_shutdown": finish_s,
            }
            if app is None:
                Workers(
                    partial(_work, build, options, delay_s),
                    listener,
                    count=settings.workers,
                    timeout_s=delay_s + finish_s + _WORKERS_TIMEOUT_S,
                    when_ready=announce,
                ).run()
            else:
                from gateway.server.servers import GatewayServer, config_of

                server = GatewayServer(config_of(app, **options), delay_s, announce)
                server.run(sockets=[listener])


def serve_app(app: "Starlette", port: int, name: str) -> None:
    """Serve any app on a loopback port until SIGINT or SIGTERM; `name` is for the log."""
    from gateway.server.servers import GatewayServer, config_of

    listener = listen(LOOPBACK, port)
    configure_logs("info", "auto")
    logger.info("%s on http://%s:%s", name, *listener.getsockname())
    GatewayServer(config_of(app)).run(sockets=[listener])


def _work(
    build: "Callable[[], Starlette]",
    options: Mapping[str, float],
    shutdown_delay_s: float,
    listener: socket.socket,
    report: Callable[[Report], None],
) -> None:
    """Run one of several workers; report "" once it serves, or why it cannot."""
    try:
        with _without_gc():
            app = build()
        from gateway.server.servers import GatewayServer, config_of

        config, when_started = config_of(app, **options), partial(report, "")
        server = GatewayServer(config, shutdown_delay_s, when_started, parent_process())
        server.run(sockets=[join(listener)])
    except SettingsError as exc:
        report(exc)


def _build(
    settings: Settings, make_app: "MakeApp | None", metrics_directory: Path | None
) -> "Starlette":
    # aiocache imports redis if it is installed, for a cache that is not used here: a twentieth of a
    # start. So it is hidden during this import, in processes of the gateway alone.
    redis = sys.modules.setdefault("redis", None)  # type: ignore[arg-type]  # None = not found
    from gateway.app import create_app
    from gateway.server.servers import cannot_start

    if redis is None:
        del sys.modules["redis"]
    configure_logs(settings.log_level, settings.log_format)
    with contextlib.suppress(SettingsError):
        # A worker that starts later has the new secrets, too, but the same cache as the others.
        cache = {"cache_url": settings.cache_url, "cache_secret": settings.cache_secret}
        settings = settings.reread().model_copy(update=cache)
    try:
        return (make_app or create_app)(settings, metrics_directory=metrics_directory)
    except Exception as exc:
        raise cannot_start(exc) from exc


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Exempt permanent objects, modules and the schema, from Python's garbage collector.

    Collections would take a sixth of the start-up time. One before the freeze would free only some
    4,000 objects.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        gc.enable()
