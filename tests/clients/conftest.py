"""Fixtures for the clients: gateways on sockets, and Node.js with the packages."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.demo.app import create_demo_app
from tests.clients import readme
from tests.clients.node import Node
from tests.clients.running import Demo, Run, Running, running
from tests.clock import A_MOMENT
from tests.support import served


@pytest.fixture(scope="session")
def node(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return Node.js with the packages of all clients."""
    return Node.prepared_in(tmp_path_factory.mktemp("node"), packages)


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """Return the demo REST server, with a clock that stands still."""
    app = create_demo_app(clock=lambda: A_MOMENT)
    with served(app) as url:
        yield Demo(url, app)


@pytest.fixture(scope="session")
def run(demo: Demo) -> Run:
    """Return a function that runs a gateway with some settings."""
    return partial(running, demo)


@pytest.fixture
def live(run: Run) -> Iterator[Running]:
    """Return a gateway for one test, with default settings."""
    with run() as one:
        yield one


@pytest.fixture(scope="module")
def shared(run: Run) -> Iterator[Running]:
    """Return a gateway for tests that do not count requests."""
    with run() as one:
        yield one


class Manifests(dict[str, Path]):
    """The manifest of each compiler for an app, built on first use."""

    def __init__(self, node: Node, run: Run) -> None:
        self._node = node
        with run() as live:
            self._schema = httpx.get(live.url.replace("/graphql", "/schema.graphql")).text

    def __missing__(self, compiler: str) -> Path:
        folder = self._node.folder / "app" / compiler
        (folder / "schema.graphql").write_text(self._schema, "utf-8")
        self[compiler] = getattr(self, f"_by_{compiler}")(folder)
        return self[compiler]

    def _by_apollo(self, folder: Path) -> Path:
        self._node.run("generate-persisted-query-manifest", cwd=folder)
        return folder / "persisted-query-manifest.json"

    def _by_codegen(self, folder: Path) -> Path:
        (folder / "codegen.mjs").write_text(readme.code("codegen.mjs"))
        self._node.run("graphql-codegen", "--config", "codegen.mjs", cwd=folder)
        return folder / "src" / "gql" / "persisted-documents.json"

    def _by_relay(self, folder: Path) -> Path:
        (folder / "relay.config.js").write_text(readme.code("relay.config.js"))
        (folder / "persisted.json").write_text("{}")
        self._node.run("relay-compiler", cwd=folder)
        return folder / "persisted.json"


@pytest.fixture(scope="session")
def manifests(node: Node, run: Run) -> Manifests:
    """Return the compilers' manifests for an app, from the schema that a gateway serves."""
    return Manifests(node, run)
