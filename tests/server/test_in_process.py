"""`serve` and the demo server, run in this process and ended by SIGTERM."""

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from gateway import Settings
from gateway.commands.demo import demo_upstream
from gateway.commands.upstream import serve_upstream
from gateway.demo.users import DEMO_USERS
from gateway.errors import SettingsError
from gateway.server import run as serving
from gateway.server.run import serve
from gateway.server.servers import GatewayServer
from gateway.upstream.client import PATH
from tests.observe.logged import logged
from tests.ports import free_port

pytestmark = pytest.mark.socket

KARI = {"Authorization": DEMO_USERS[0].authorization_basic}


def stop_after(url: str, action: Callable[[], None]) -> threading.Thread:
    """When the address answers, call a function and then send SIGTERM to this process."""

    def run() -> None:
        try:
            wait_for_answer(url)
            action()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def wait_for_answer(url: str) -> None:
    """Wait until an address answers."""
    for _ in range(500):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.02)  # pragma: no cover - only on a machine that is slow to start
    raise AssertionError("it did not start")  # pragma: no cover - only when it is broken


@pytest.fixture
def ignore_late_sigterm() -> Iterator[None]:
    """Ignore a SIGTERM that arrives after the server has stopped."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("ignore_late_sigterm")
def test_serve_logs_its_address_and_answers_until_sigterm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`serve` logs its address, answers, and returns after SIGTERM."""
    answers: list[Any] = []
    threads = []

    def ready(url: str) -> None:
        def ask() -> None:
            answers.append(httpx.post(url, json={"query": "{ __typename }"}).json())

        threads.append(stop_after(url, ask))

    settings = Settings(
        upstream_url="http://127.0.0.1:1", port=0, log_format="json", shutdown_delay=0
    )
    serve(settings, when_ready=ready)
    threads[0].join()

    assert answers == [{"data": {"__typename": "Query"}}]
    serving = r'"serving http://127.0.0.1:\d+/graphql over http://127.0.0.1:1"'
    assert re.search(serving, capsys.readouterr().err)


@pytest.mark.usefixtures("ignore_late_sigterm")
def test_serve_needs_no_callback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a callback the address is in the log."""
    port = free_port()
    thread = stop_after(f"http://127.0.0.1:{port}/readyz", lambda: None)

    serve(Settings(upstream_url="http://127.0.0.1:1", port=port))
    thread.join()

    assert (
        f"serving http://127.0.0.1:{port}/graphql over http://127.0.0.1:1"
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("ignore_late_sigterm")
def test_the_demo_rest_server_answers_until_sigterm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The demo REST server has the requested number of sessions."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    counts: list[int] = []

    def ask() -> None:
        counts.append(len(httpx.get(url + PATH, headers=KARI).json()))

    thread = stop_after(url, ask)
    serve_upstream(port, sessions=3)
    thread.join()

    assert counts == [3]
    assert f"demo REST server on {url}" in capsys.readouterr().err


def test_the_demo_rest_server_runs_beside_the_gateway() -> None:
    """The demo REST server listens on a free port, until the context ends."""
    with demo_upstream(sessions=3) as url:
        count = len(httpx.get(url + PATH, headers=KARI).json())

    assert count == 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


class FakeWorkers:
    """Replaces the supervisor, and starts no processes."""

    started: list["FakeWorkers"]

    def __init__(self, serve: Any, listener: socket.socket, **options: Any) -> None:
        self.build, self.options, self.shutdown_delay_s = serve.args
        self.listener = listener
        self.count, self.timeout_s = options["count"], options["timeout_s"]
        self.when_ready = options["when_ready"]

    def run(self) -> None:
        """Record the call instead of starting processes."""
        self.started.append(self)
        self.when_ready()
        self.listener.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeWorkers]:
    """Return the supervisors that were started."""
    FakeWorkers.started = []
    monkeypatch.setattr(serving, "Workers", FakeWorkers)
    return FakeWorkers.started


def test_each_worker_builds_its_own_app(started: list[FakeWorkers]) -> None:
    """Each worker builds an app with the same settings, including the secret of the cache."""
    settings = Settings(upstream_url="http://127.0.0.1:1", port=0, workers=3)

    serve(settings)

    (workers,) = started
    assert workers.count == 3
    assert workers.build() is not workers.build()
    worker_settings, _, metrics_directory = workers.build.args
    assert worker_settings == settings
    assert not metrics_directory.exists()


def test_a_worker_that_starts_later_has_the_cache_of_the_others(
    started: list[FakeWorkers], tmp_path: Path
) -> None:
    """It has the secrets that a reload takes; another key of the cache would refuse cursors."""
    names = ("app_token", "cache_secret", "cache_url")
    files = {name: tmp_path / name for name in names}
    for name in names:
        files[name].write_text(f"redis://127.0.0.1/{'1' * 32}")
    flags = {f"{name}_file": str(file) for name, file in files.items()}
    settings = Settings.load(upstream_url="http://127.0.0.1:1", port=0, workers=2, **flags)
    serve(settings, make_app=lambda settings, **_: settings)
    for name in names:
        files[name].write_text(f"redis://127.0.0.1/{'2' * 32}")

    later: Any = started[0].build()

    changed = {name for name in names if getattr(later, name) != getattr(settings, name)}
    assert changed == {"app_token"}


def test_warnings_are_logged_once(started: list[FakeWorkers]) -> None:
    """Warnings about settings are logged once, not by each worker."""
    settings = Settings(
        upstream_url="http://127.0.0.1:1",
        port=0,
        workers=2,
        cache_url=SecretStr("redis://127.0.0.1:1"),
    )

    with logged() as log:
        serve(settings)

    assert started
    warnings = [event["event"] for event in log.events if event["level"] == "warning"]
    assert warnings == settings.warnings


def test_the_shutdown_timeout_covers_a_rest_call(started: list[FakeWorkers]) -> None:
    """Requests in progress have the time of a REST call, and workers a little more."""
    serve(
        Settings(
            upstream_url="http://127.0.0.1:1",
            port=0,
            workers=2,
            upstream_timeout=7.5,
            shutdown_delay=3,
            keep_alive=130,
        )
    )

    (workers,) = started
    assert workers.options["timeout_graceful_shutdown"] == 10
    assert workers.options["timeout_keep_alive"] == 130
    assert workers.shutdown_delay_s == 3
    assert 13 < workers.timeout_s < 20


TERM, CTRL_C = signal.SIGTERM, signal.SIGINT


def signal_names(value: object) -> str | None:
    """Return the names of signals as the id of a test."""
    return " ".join(number.name for number in value) if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("signals", "is_hurried", "is_forced"),
    [
        ([TERM], False, False),
        ([CTRL_C], True, False),
        ([TERM, TERM], True, False),
        ([TERM, CTRL_C], True, False),
        ([TERM, TERM, TERM], True, False),
        ([CTRL_C, CTRL_C], True, True),
        ([TERM, TERM, CTRL_C], True, True),
        ([CTRL_C, CTRL_C, TERM], True, True),
    ],
    ids=signal_names,
)
def test_each_further_signal_ends_a_wait(
    signals: list[signal.Signals], is_hurried: bool, is_forced: bool
) -> None:
    """A further signal ends the drain, and the next one the wait for requests."""
    server = GatewayServer(uvicorn.Config("nothing", log_config=None))

    for number in signals:
        server.handle_exit(number, None)

    assert server.should_exit
    assert (server.is_hurried, server.force_exit) == (is_hurried, is_forced)


class Supervisor(BaseProcess):
    """A running process that calls a function whenever it is checked."""

    def __init__(self, when_checked: Callable[[], object] = lambda: None) -> None:
        self.when_checked = when_checked

    def is_alive(self) -> bool:
        """Return that it is running."""
        self.when_checked()
        return True


def worker_server() -> GatewayServer:
    """Return the server of a worker without an application."""
    config = uvicorn.Config("nothing", log_config=None)
    return GatewayServer(config, supervisor=Supervisor())


@pytest.mark.parametrize(
    ("signals", "is_hurried", "is_forced"),
    [
        ([TERM], False, False),
        ([TERM, TERM, TERM], False, False),
        ([CTRL_C, TERM], True, False),
        ([TERM, CTRL_C, TERM], True, False),
        ([TERM, CTRL_C, CTRL_C], True, True),
    ],
    ids=signal_names,
)
def test_a_second_sigterm_changes_nothing_in_a_worker(
    signals: list[signal.Signals], is_hurried: bool, is_forced: bool
) -> None:
    """A worker gets SIGTERM twice if the whole process group is signalled."""
    worker = worker_server()

    for number in signals:
        worker.handle_exit(number, None)

    assert (worker.is_hurried, worker.force_exit) == (is_hurried, is_forced)


async def test_usr2_after_sigterm_hurries_a_worker() -> None:
    """USR2, sent at the supervisor's second SIGTERM, hurries a worker that is stopping."""
    worker = worker_server()

    for number, is_hurried in ((signal.SIGUSR2, False), (TERM, False), (signal.SIGUSR2, True)):
        if number == TERM:
            worker.handle_exit(TERM, None)
        else:
            worker._signals.append(number)
        await worker.on_tick(0)
        assert (worker.is_hurried, worker.force_exit) == (is_hurried, False)


async def test_signals_may_come_faster_than_they_are_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a reload for each of them, the server would not come to its end."""
    handled: list[int] = []

    def handle(self: GatewayServer, number: int) -> None:
        handled.append(number)
        self._signals += [number] * 3

    monkeypatch.setattr(GatewayServer, "_handle", handle)
    server = GatewayServer(uvicorn.Config("nothing", log_config=None))
    server._signals += [signal.SIGHUP] * 100

    for tick in range(3):
        await server.on_tick(tick)

    assert handled == [signal.SIGHUP] * 3


async def test_a_sigterm_during_a_check_of_the_supervisor_counts() -> None:
    """A worker is not left to serve on, and to be killed with its requests."""
    worker = worker_server()
    worker.supervisor = Supervisor(lambda: worker.handle_exit(TERM, None))

    assert await worker.on_tick(0)


def test_a_port_in_use_is_a_settings_error() -> None:
    """A port in use is an error before the start, which names the flag to change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(SettingsError) as caught:
            serve(Settings(upstream_url="http://127.0.0.1:1", port=port))

    assert str(caught.value) == (
        f"port {port} of 127.0.0.1 is in use: stop the other program, or pass --port {port + 1}"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no.such.host.invalid", "a..b"])
def test_an_unavailable_address_is_a_settings_error(host: str) -> None:
    """An address of another machine or an unknown host is an error."""
    with pytest.raises(SettingsError) as caught:
        serve(Settings(upstream_url="http://127.0.0.1:1", host=host, port=0))

    shown = f"[{host}]" if ":" in host else host
    assert str(caught.value).startswith(f"cannot listen on {shown}:0: ")


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_invalid_port_is_a_settings_error(port: int) -> None:
    """`gateway upstream` refuses a port outside of 0 to 65535."""
    with pytest.raises(SettingsError, match=f"--port {port}: ports go from 0 to 65535"):
        serve_upstream(port)
