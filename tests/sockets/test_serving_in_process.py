"""The servers around the apps, run in this process and ended by a signal, as an operator would."""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from gateway import Settings, serving
from gateway.demo.users import DEMO_USERS
from gateway.errors import SettingsError
from gateway.serving import demo_upstream, serve, serve_upstream
from gateway.upstream.client import PATH
from tests.observe.logged import own_logging

pytestmark = pytest.mark.socket

KARI = {"Authorization": DEMO_USERS[0].authorization_basic}


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Let what a server does to the logs end with the test."""
    with own_logging():
        yield


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def once_up(url: str, then: Callable[[], None]) -> threading.Thread:
    """Do something when the address answers, and then end this process's server with SIGTERM."""

    def run() -> None:
        try:
            answers(url)
            then()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def answers(url: str) -> None:
    """Wait until an address answers at all."""
    for _ in range(500):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.02)  # pragma: no cover - only on a machine that is slow to start
    raise AssertionError("it did not start")  # pragma: no cover - only when it is broken


@pytest.fixture
def until_sigterm() -> Iterator[None]:
    """Keep a signal that comes too late from ending the tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("until_sigterm")
def test_serve_says_where_it_is_and_answers_until_sigterm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Then it returns, so that what is around it can be closed."""
    got: list[Any] = []
    threads = []

    def ready(url: str) -> None:
        def ask() -> None:
            got.append(httpx.post(url, json={"query": "{ __typename }"}).json())

        threads.append(once_up(url, ask))

    settings = Settings(upstream_url="http://127.0.0.1:1", port=0, log_format="json")
    serve(settings, when_ready=ready)
    threads[0].join()

    first = json.loads(capsys.readouterr().err.splitlines()[0])["event"]
    assert got == [{"data": {"__typename": "Query"}}]
    assert re.fullmatch(r"serving http://127.0.0.1:\d+/graphql over http://127.0.0.1:1", first)


@pytest.mark.usefixtures("until_sigterm")
def test_serve_needs_nobody_to_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where it listens is in its log."""
    port = free_port()
    thread = once_up(f"http://127.0.0.1:{port}/readyz", lambda: None)

    serve(Settings(upstream_url="http://127.0.0.1:1", port=port))
    thread.join()

    assert (
        f"serving http://127.0.0.1:{port}/graphql over http://127.0.0.1:1"
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("until_sigterm")
def test_the_demo_rest_server_answers_until_sigterm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its options shape its answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    got: list[int] = []

    def ask() -> None:
        got.append(len(httpx.get(url + PATH, headers=KARI).json()))

    thread = once_up(url, ask)
    serve_upstream(port, sessions=3)
    thread.join()

    assert got == [3]
    assert f"demo REST server on {url}" in capsys.readouterr().err


def test_the_demo_rest_server_runs_beside_the_gateway() -> None:
    """It has a port of its own while it is needed, and nobody listens there afterwards."""
    with demo_upstream(sessions=3) as url:
        count = len(httpx.get(url + PATH, headers=KARI).json())

    assert count == 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


class Workers:
    """Takes the place of uvicorn's supervisor, which would start processes."""

    started: list[uvicorn.Config]

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self.config = config
        self.sockets = sockets

    def run(self) -> None:
        """Start nothing."""
        self.started.append(self.config)
        for listener in self.sockets:
            listener.close()


def test_several_workers_each_build_an_app_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them with the same settings, the secret of the cache included."""
    Workers.started = []
    monkeypatch.setattr(serving, "Multiprocess", Workers)
    settings = Settings(upstream_url="http://127.0.0.1:1", port=0, workers=3)

    serve(settings)

    (config,) = Workers.started
    assert config.workers == 3
    config.load()
    assert config.loaded_app is not None
    *given, metrics_directory = config.app.args  # type: ignore[union-attr]  # a functools.partial
    assert given == [settings, ()]
    assert not metrics_directory.exists()


def test_stopping_waits_as_long_as_a_rest_call_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a moment longer, for the answer."""
    Workers.started = []
    monkeypatch.setattr(serving, "Multiprocess", Workers)

    serve(Settings(upstream_url="http://127.0.0.1:1", port=0, workers=2, upstream_timeout=7.5))

    assert Workers.started[0].timeout_graceful_shutdown == 10


@pytest.mark.parametrize(
    ("signals", "is_forced"),
    [
        ([signal.SIGTERM], False),
        ([signal.SIGINT], False),
        ([signal.SIGTERM, signal.SIGTERM], False),
        ([signal.SIGINT, signal.SIGINT], True),
        ([signal.SIGTERM, signal.SIGINT], True),
        ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], True),
    ],
)
def test_a_second_ctrl_c_does_not_wait(signals: list[signal.Signals], is_forced: bool) -> None:
    """The first signal of either kind stops the server; only an impatient person forces it."""
    server = serving._Server(uvicorn.Config("nothing", log_config=None))

    for number in signals:
        server.handle_exit(number, None)

    assert (server.should_exit, server.force_exit) == (True, is_forced)


def test_a_port_in_use_is_a_settings_error() -> None:
    """It is known before anything is served, and says what to change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(SettingsError) as caught:
            serve(Settings(upstream_url="http://127.0.0.1:1", port=port))

    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "GATEWAY_HOST and GATEWAY_PORT" in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no.such.host.invalid", "a..b"])
def test_an_address_of_another_machine_is_a_settings_error(host: str) -> None:
    """Those of documentation belong to nobody."""
    with pytest.raises(SettingsError) as caught:
        serve(Settings(upstream_url="http://127.0.0.1:1", host=host, port=0))

    shown = f"[{host}]" if ":" in host else host
    assert str(caught.value).startswith(f"cannot listen on {shown}:0: ")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_a_settings_error(port: int) -> None:
    """The flag of `gateway upstream` is any number."""
    with pytest.raises(SettingsError, match=f"--port {port}: ports go from 0 to 65535"):
        serve_upstream(port)


def test_settings_that_cannot_be_served_stop_several_workers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any of them is started: they would fail, and be started again, for good."""
    Workers.started = []
    monkeypatch.setattr(serving, "Multiprocess", Workers)

    with pytest.raises(SettingsError, match=r"GATEWAY_HIDDEN_FIELDS=ChatSession\.nope"):
        serve(
            Settings(
                upstream_url="http://127.0.0.1:1",
                port=0,
                workers=2,
                hidden_fields="ChatSession.nope",
            )
        )

    assert Workers.started == []
