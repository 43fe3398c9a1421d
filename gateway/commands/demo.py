"""`gateway demo`: the gateway over the demo REST server.

Only this module and `upstream` import `gateway.demo`, and only when they run.
"""

import argparse
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from gateway.commands.arguments import count
from gateway.settings import Settings
from gateway.settings.settings import WITH_OFFSETS

if TYPE_CHECKING:
    from starlette.applications import Starlette


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    port = "port of the gateway (GATEWAY_PORT, or 8000)"
    command.add_argument("--port", type=int, default=argparse.SUPPRESS, help=port)
    command.add_argument("--tenants", action="store_true", help="simulate SuperOffice Online")
    add_data(command)


def add_data(command: argparse.ArgumentParser) -> None:
    """Add the arguments that define the demo data."""
    command.add_argument("--sessions", type=count, default=12, help="sessions per user (12)")
    command.add_argument(
        "--delay",
        dest="delay_ms",
        type=count,
        default=0,
        metavar="MS",
        help="delay each REST response, in ms (0)",
    )
    command.add_argument("--seed", type=int, default=1, help="random seed of the demo data (1)")


@contextmanager
def demo_upstream(**options: Any) -> Iterator[str]:  # those of create_demo_app
    """Run the demo REST server in a thread, on a free port; yield its address."""
    from gateway.demo.app import create_demo_app
    from gateway.server.resources import LOOPBACK, listen
    from gateway.server.servers import GatewayServer, config_of

    listener = listen(LOOPBACK, 0)
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"  # a server that stops closes it
    started = threading.Event()
    server = GatewayServer(config_of(create_demo_app(**options)), when_started=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    started.wait()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()


def create_gateway(
    settings: Settings,
    *,
    users: Sequence[tuple[str, str, int]],
    url: str | None,
    **options: Any,  # those of create_app
) -> "Starlette":
    """Build the gateway of the demo; the function is pickled for worker processes.

    Args:
        settings: how it behaves.
        users: name, Authorization and associateId of the users that the query page shows.
        url: the demo REST server, if it replaces SuperOffice Online.
        options: of `create_app`.
    """
    from gateway.app import create_app
    from gateway.demo.network import DemoNetwork
    from gateway.demo.tenants import DEMO_TENANTS
    from gateway.demo.wallboard.page import wallboard_routes

    transport = DemoNetwork(url) if url else None
    app = create_app(settings, upstream_transport=transport, demo_users=users, **options)
    endpoint = f"graphql/{next(iter(DEMO_TENANTS))}" if url else "graphql"
    app.router.routes[:0] = wallboard_routes(users, endpoint, has_manual=settings.docs)
    return app


def _run(*, tenants: bool, sessions: int, delay_ms: int, seed: int, **port: int) -> None:
    from gateway.demo.tenants import DEMO_TENANTS, DOMAIN
    from gateway.demo.users import DEMO_USERS, TOPIC_NAMES
    from gateway.demo.webhooks import Hook
    from gateway.demo.welcome import welcome
    from gateway.server.run import serve

    hook = Hook(secrets.token_urlsafe(32))
    if tenants:
        hook.tenants = [name for name, tenant in DEMO_TENANTS.items() if tenant.is_running]
    users = [(u.full_name, u.authorization_basic, u.associate_id) for u in DEMO_USERS]

    def ready(url: str) -> None:
        hook.url = url.replace("/graphql", "/webhooks/superoffice")
        addresses = {f"{url}/{t.name}": t.description for t in DEMO_TENANTS.values()}
        print(welcome(url, users, addresses if tenants else {}), flush=True)  # noqa: T201

    with demo_upstream(hook=hook, sessions=sessions, delay_ms=delay_ms, seed=seed) as demo_url:
        settings = Settings.load(
            upstream_url=None if tenants else demo_url,
            environment="online" if tenants else None,
            tenants="",
            tenant_hosts=DOMAIN,
            upstream_proxy=None,
            so_time_zone=WITH_OFFSETS,
            accept_language="en",
            topic_names="" if tenants else json.dumps(TOPIC_NAMES),
            webhook_secret=SecretStr(hook.secret),
            **port,
        )
        make_app = partial(create_gateway, users=users, url=demo_url if tenants else None)
        serve(settings, make_app=make_app, when_ready=ready)
