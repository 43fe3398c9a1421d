"""Fixtures for all tests, and the profiles that draw hypothesis examples.

Hypothesis draws the same examples in every run, so that only a change can make a run fail.
`HYPOTHESIS_PROFILE=hunt pytest` draws many new ones: for a night, or a larger change.
"""

import functools
import gc
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gateway.dns import name_of
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.engine import Answer, Engine, Operation
from gateway.settings import Settings
from gateway.web.pages import ops
from gateway.wiring import gateway as wiring
from gateway.wiring.schema import schema_options
from tests import npm
from tests.clock import FakeClock
from tests.fake_dns import FakeDNS
from tests.observe.logged import own_logging
from tests.store.redis_server import RedisServer, redis_server
from tests.support import Gateway, RestSide, gateway_over

_ON_ANY_MACHINE = settings(
    deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.register_profile("gate", _ON_ANY_MACHINE, derandomize=True, max_examples=60)
settings.register_profile("hunt", _ON_ANY_MACHINE, derandomize=False, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

# Otherwise each process that a test starts would compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ops.FRESH_S = 0  # tests compare what was counted before and after

_build_schema = functools.lru_cache(build_schema)


def _schema_options(settings: Settings, *more: Any) -> SchemaOptions:
    """Return the options without the random secret that each gateway would create."""
    options = schema_options(settings, *more)
    return options if "cache_secret" in settings.model_fields_set else replace(options, secret=b"")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first: with real servers, with packages from npm, marked as slow.

    Installing missing packages takes a minute: it happens while the first files run. A slow file
    among the last ones would keep one process busy while the others have nothing left to do.
    """
    with_packages = {item.path for item in items if _needs_packages(item)}
    real = {item.path for item in items if item.get_closest_marker("socket")} - with_packages
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    ranks = [real, with_packages, slow]
    items.sort(key=lambda item: [item.path not in paths for paths in ranks])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Turn garbage collection off while tests are collected: nearly all objects stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start to install missing packages, and exempt the collected tests from garbage collection."""
    cache: pytest.Cache | None = getattr(session.config, "cache", None)
    if cache and any(map(_needs_packages, session.items)):
        npm.install_soon(cache.mkdir(npm.FOLDER))
    gc.collect()
    gc.freeze()


def _needs_packages(item: pytest.Item) -> bool:
    return "packages" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `node_modules` with the packages from npm, which are kept between runs."""
    if not (shutil.which("node") and shutil.which("npm")):  # pragma: no cover - CI has them
        pytest.skip(f"needs {npm.HOW_TO_INSTALL}")
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    return npm.install_packages(
        cache.mkdir(npm.FOLDER) if cache else tmp_path_factory.mktemp("npm")
    )


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what uvicorn runs the gateway on."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Remove the `GATEWAY_` variables of the shell that runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
            patch.delenv(name)  # pragma: no cover - where there are any
        yield


@pytest.fixture(scope="session", autouse=True)
def no_authorities() -> Iterator[None]:
    """Load no certificate authorities except those that a test names.

    Loading the system's takes 40 ms, for each gateway and for each call of `httpx.get`.
    """
    create, file_of_environment = ssl.create_default_context, os.environ.get("SSL_CERT_FILE")

    def without_authorities(*args: Any, cafile: str | None = None, **more: Any) -> ssl.SSLContext:
        is_default = cafile == file_of_environment or str(cafile).endswith("certifi/cacert.pem")
        is_named = (
            args
            or more
            or os.environ.get("SSL_CERT_FILE") != file_of_environment
            or (cafile and not is_default)
        )
        tls = (
            create(*args, cafile=cafile, **more)
            if is_named
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        tls.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        return tls

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", without_authorities)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_schema() -> Iterator[None]:
    """Share one schema among gateways with the same options: building it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build_schema", _build_schema)
        patch.setattr(wiring, "schema_options", _schema_options)
        yield


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Undo the logging configuration of a command: its handlers write to a closed stream."""
    with own_logging():
        yield


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still until the test advances it."""
    return FakeClock()


@pytest.fixture
def rest() -> RestSide:
    """Return a fake REST API that answers with one plain session by default."""
    return RestSide()


@pytest.fixture
async def gateway(rest: RestSide) -> AsyncIterator[Gateway]:
    """Return a gateway with default settings over `rest`, in process."""
    async with gateway_over(rest) as running:
        yield running


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDNS]:
    """Return the DNS that names are looked up in; it knows those that the test adds."""
    dns = FakeDNS()
    monkeypatch.setattr(socket, "getaddrinfo", dns.getaddrinfo)
    name_of.cache_clear()
    yield dns
    dns.answer()
    name_of.cache_clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return a list that collects the text of each executed operation."""
    operations: list[str] = []
    execute = Engine.execute

    async def counted(self: Engine, operation: Operation, *args: Any, **more: Any) -> Answer:
        operations.append(operation.document.text)
        return await execute(self, operation, *args, **more)

    monkeypatch.setattr(Engine, "execute", counted)
    yield operations
