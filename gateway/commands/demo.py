"""Serve the demo REST server: alone, or beside a gateway over it."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from gateway.app import create_app
from gateway.demo.app import create_demo_app
from gateway.demo.network import DemoNetwork
from gateway.server.listening import LOOPBACK, listen
from gateway.server.run import serve_app
from gateway.server.servers import GatewayServer, config_of
from gateway.settings import Settings


def serve_upstream(port: int, **options: Any) -> None:
    """Serve the demo REST server until SIGINT or SIGTERM."""
    serve_app(create_demo_app(**options), port, "demo REST server")


@contextlib.contextmanager
def demo_upstream(**options: Any) -> Iterator[str]:
    """Run the demo REST server on a free port in a thread; gives its address."""
    listener = listen(LOOPBACK, 0)
    started = threading.Event()
    server = GatewayServer(config_of(create_demo_app(**options)), when_started=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    started.wait()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def create_gateway(
    settings: Settings,
    *,
    users: Sequence[tuple[str, str]],
    url: str | None,
    metrics_directory: Path | None = None,
) -> Starlette:
    """Build the gateway of the demo.

    Args:
        settings: how it behaves.
        users: names and their Authorization, for the query page to offer.
        url: the demo REST server that stands in for all of SuperOffice Online.
        metrics_directory: as `create_app` has it.
    """
    return create_app(
        settings,
        upstream_transport=DemoNetwork(url) if url else None,
        demo_users=users,
        metrics_directory=metrics_directory,
    )
