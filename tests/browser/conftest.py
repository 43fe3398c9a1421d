"""Fixtures for a browser: gateways over the demo REST server, visited by Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.demo.network import DemoNetwork
from gateway.demo.users import DEMO_USERS
from tests.browser.restarting import Restarting
from tests.browser.visit import CHROMIUM, HOW_TO_INSTALL, Browser, Visit, fetch_graphiql
from tests.clock import fast_clock
from tests.support import served

Visiting = Callable[..., Visit]
"""Takes a scenario's name, whether the page offers the demo's users, and a tenant's name."""


@pytest.fixture(scope="session")
def browser(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return one Chromium for all visits, each with a new profile."""
    if not CHROMIUM:  # pragma: no cover - CI has it
        pytest.skip(f"needs {HOW_TO_INSTALL}")
    with Browser.prepared_in(tmp_path_factory.mktemp("browser"), packages) as running:
        yield running


@pytest.fixture(scope="session")
def graphiql() -> None:
    """Fetch GraphiQL's files into the source tree; an installation already has them."""
    pytest.importorskip("hatchling", reason="needs hatchling: `pip install hatchling`")
    try:
        fetch_graphiql()
    except OSError as exc:  # pragma: no cover - CI has npm
        pytest.skip(f"GraphiQL cannot be fetched: {exc}")


@pytest.fixture(scope="session")
def demo() -> Iterator[str]:
    """Return the address of a demo REST server with changes every second."""
    with served(create_demo_app(clock=fast_clock())) as url:
        yield url


@pytest.fixture(scope="session")
def visiting(browser: Browser, demo: str, tmp_path_factory: pytest.TempPathFactory) -> Visiting:
    """Return a function that visits the query page of a gateway."""

    def visit(
        scenario: str, *, has_users: bool = True, tenant: str | None = None, query: str = ""
    ) -> Visit:  # `tenant` "" is the page for all tenants
        users = [(u.full_name, u.authorization_basic, u.associate_id) for u in DEMO_USERS]
        settings = Settings.load(
            upstream_url=demo if tenant is None else None,
            environment=None if tenant is None else "online",
            so_time_zone="UTC, includeTZOffset",
            accept_language="en",
            live_interval=1,
        )
        app = create_app(
            settings,
            upstream_transport=None if tenant is None else DemoNetwork(demo),
            demo_users=users if has_users else (),
        )
        with served(Restarting(app)) as url:
            return browser.visit(
                (f"{url}/graphql/{tenant}" if tenant else f"{url}/graphql") + query,
                scenario,
                authorization=DEMO_USERS[1].authorization_bearer,
                folder=tmp_path_factory.mktemp(scenario),
            )

    return visit
