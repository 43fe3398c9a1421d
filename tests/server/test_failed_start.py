"""A failed start ends the process with one line and exit code 2 or 1, however many workers."""

import contextlib
import errno
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway import Settings
from gateway.errors import CannotStartError, SettingsError
from gateway.server.run import serve
from gateway.server.servers import GatewayServer, cannot_start, config_of
from tests.commands.test_serving import PATIENCE_S, running
from tests.observe.logged import logged

pytestmark = pytest.mark.socket

REST = "http://127.0.0.1:1"
SERVE = ["serve", "--port", "0", "--upstream-url", REST]
SERVE += ["--time-zone", "Europe/Oslo"]  # no warning about times


@pytest.mark.parametrize(
    ("variable", "value", "workers"),
    [
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "2"),
    ],
    ids=["before it starts", "when each of two workers starts"],
)
def test_an_invalid_setting_of_a_library_is_printed_once(
    variable: str, value: str, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid setting of a library is printed once, after the informational lines."""
    monkeypatch.setenv(variable, value)

    with running(*SERVE, "--workers", workers, "--tracing", "on") as command:
        command.waits_for(r"^gateway: cannot start: ValueError\(.*\)$")
        code = command.process.wait(PATIENCE_S)

    logged = [json.loads(line) for line in command.printed if line.startswith("{")]
    assert {line["level"] for line in logged} <= {"info"}
    assert not any("Traceback" in line for line in command.printed)
    assert code == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_setting_that_fails_in_workers_is_named(workers: str) -> None:
    """The one line is the same for any number of processes, and none says that it serves."""
    with running(*SERVE, "--workers", workers, "--hidden-fields", "ChatSession.nope") as command:
        command.waits_for(r"^gateway: .*--hidden-fields ChatSession\.nope.*$")

        assert command.process.wait(PATIENCE_S) == 2
        assert len(command.printed) == 1


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"metrics_port": 0}], ids=["two workers", "a port of metrics"]
)
def test_a_missing_temporary_directory_is_an_error(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a directory for metrics, the error names the variable that sets another one."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    with pytest.raises(SettingsError, match=r"writable one in TMPDIR: No such file"):
        serve(Settings(upstream_url=REST, port=0, **options))


@pytest.mark.parametrize("host", ["a..b", "203.0.113.1"])
def test_an_invalid_host_of_metrics_is_an_error(host: str) -> None:
    """The error names the flag of the metrics' host, and not that of the gateway's."""
    with pytest.raises(SettingsError, match=r"; give another --metrics-host$"):
        serve(Settings(upstream_url=REST, port=0, metrics_host=host, metrics_port=0))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_during_the_start_leaves_nothing(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops once it has started; its socket and directory of metrics are removed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    options = ["--host", f"unix:{tmp_path}/gateway.sock", "--metrics-port", "0"]
    options += ["--workers", workers, "--shutdown-delay", str(10 * PATIENCE_S)]

    with running("serve", *options, "--upstream-url", REST) as command:
        command.waits_for("metrics on http")  # the application is imported next
        assert len([*tmp_path.iterdir()]) == 2
        code = command.ends()

    assert code == 0
    assert [*tmp_path.iterdir()] == []


def failing(*, at_start: bool, in_middleware: bool = False) -> Starlette:
    """Return an application that fails at its start or at its stop."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if at_start:
            raise ValueError("out of\nluck")
        yield
        raise ValueError("out of luck")

    app = Starlette(lifespan=lifespan)
    if in_middleware:
        app.add_middleware(lambda app: lambda scope, receive, send: scope["path"])
    return app


@pytest.mark.parametrize(
    ("in_middleware", "line"),
    [
        (False, r"cannot start: ValueError('out of\nluck')"),
        (True, "cannot start: KeyError('path')"),
    ],
)
def test_an_application_that_fails_to_start_is_an_error(in_middleware: bool, line: str) -> None:
    """The reason of a failed start is printed; the traceback is logged at debug only."""
    with logged() as log, pytest.raises(SettingsError) as caught:
        app = failing(at_start=True, in_middleware=in_middleware)
        GatewayServer(config_of(app)).run(sockets=[])

    assert str(caught.value) == line
    assert {event["level"] for event in log.events} == {"info"}


def without_threads(settings: Settings, **_: object) -> Starlette:
    """Fail as an application does whose machine has no more threads."""
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_for_lack_of_threads_may_succeed_later(workers: int) -> None:
    """No setting is at fault: systemd and others start the gateway again."""
    settings = Settings(upstream_url=REST, port=0, workers=workers)

    with pytest.raises(CannotStartError, match=r"^cannot start: RuntimeError\(") as caught:
        serve(settings, make_app=without_threads)

    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [(OSError(errno.EMFILE, "x"), 1), (MemoryError(), 1), (OSError(errno.ENOENT, "x"), 2)],
)
def test_the_exit_code_says_whether_a_later_start_may_succeed(
    failure: Exception, code: int
) -> None:
    """Files and memory may be free later; a missing file stays missing."""
    assert cannot_start(failure).exit_code == code


def test_an_application_that_fails_to_stop_is_logged() -> None:
    """An error at the stop is logged once, with its traceback."""
    server = GatewayServer(config_of(failing(at_start=False)))
    server.should_exit = True

    with logged() as log:
        server.run(sockets=[])

    [error] = [event for event in log.events if event["level"] == "error"]
    assert error["exception"].endswith("ValueError: out of luck")
