"""What the processes of one gateway need to show their metrics as one."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, start_http_server

from gateway.errors import SettingsError
from gateway.observe.sharing import SharedMetrics
from gateway.server.listening import cannot_listen, in_url
from gateway.settings import Settings

logger = logging.getLogger(__name__)


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
