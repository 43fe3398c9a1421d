"""The commands as processes: their output, their service, and their end."""

import asyncio
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.commands.cli import main
from gateway.demo.users import DEMO_USERS
from gateway.upstream.client import PATH
from tests.support import served

pytestmark = pytest.mark.socket

KARI = {"Authorization": DEMO_USERS[0].authorization_basic}
QUERY = {"query": "{ chatSessions { chatSessionId } }"}
ADDRESS = r"(http://127\.0\.0\.1:\d+)"
PATIENCE_S = 30


class Command:
    """A running `gateway` command, and its output so far."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def waits_for(self, pattern: str) -> str:
        """Read until a line matches; return the match's first group, or the whole match."""
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0, ends_at - time.monotonic()))
            except queue.Empty:  # pragma: no cover - only when the command is broken
                pytest.fail(f"no {pattern!r} in: {''.join(self.printed)}")
            self.printed.append(line)
            if match := re.search(pattern, line):
                return match.group(match.lastindex or 0)

    def ends(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Kill its process group: the command and all its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        while not self._lines.empty():
            self.printed.append(self._lines.get())


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Command]:
    """Run a command until the context ends."""
    command = Command(*arguments)
    try:
        yield command
    finally:
        command.close()


def ask(url: str, **headers: str) -> Any:
    """Query a gateway for the caller's sessions."""
    response = httpx.post(url, json=QUERY, headers=headers or KARI, timeout=PATIENCE_S)
    return response.json()


def fails(*arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Run a command that ends by itself; return its exit code and the lines on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[str, str]]:
    """Return the address of a demo's GraphQL endpoint, and the demo's output."""
    with running("demo", "--port", "0", "--sessions", "3") as command:
        url = command.waits_for(rf"GraphQL\s+{ADDRESS}/graphql") + "/graphql"
        command.waits_for("Ctrl")
        yield url, "".join(command.printed)


@pytest.mark.parametrize("user", DEMO_USERS, ids=lambda user: user.login)
def test_each_user_that_the_demo_prints_can_log_in(demo: tuple[str, str], user: Any) -> None:
    """The line with a user's name has the Authorization to send."""
    url, printed = demo
    (authorization,) = re.findall(rf"^ +{user.full_name} +(\S.*)$", printed, re.MULTILINE)

    assert len(ask(url, Authorization=authorization)["data"]["chatSessions"]) == 3


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="needs curl; install it with: apt-get install curl"
)
def test_the_curl_line_that_the_demo_prints_works_when_pasted(demo: tuple[str, str]) -> None:
    """A new user gets sessions in one step."""
    (line,) = re.findall(r"^ +(curl (?:.*\\\n)*.*)$", demo[1], re.MULTILINE)

    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )

    sessions = json.loads(done.stdout)["data"]["chatSessions"]
    assert len(sessions) == 3
    assert set(sessions[0]) == {"chatSessionId", "status", "customerName"}


def test_a_browser_gets_the_demos_query_page(demo: tuple[str, str]) -> None:
    """The printed address can be opened in a browser."""
    response = httpx.get(demo[0], headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert "Kari Nordmann" in response.text


def test_the_demo_can_be_superoffice_online() -> None:
    """The printed tenants answer as described; Ctrl+C ends the demo without a traceback."""
    with running("demo", "--tenants", "--port", "0", "--sessions", "3") as command:
        first = command.waits_for(rf"GraphQL\s+({ADDRESS[1:-1]}/graphql/\w+)")
        suspended = command.waits_for(r"(http\S+)   suspended")

        assert len(ask(first)["data"]["chatSessions"]) == 3
        assert ask(suspended)["errors"][0]["extensions"]["tenantState"] == "Suspended"
        assert command.ends(signal.SIGINT) == 0
    assert "Traceback" not in "".join(command.printed)


def test_serve_answers_from_a_rest_server_in_another_process(tmp_path: Path) -> None:
    """The demo REST server serves a file; both processes end with exit code 0."""
    sample = tmp_path / "sample.json"
    sample.write_text('[{"ChatSessionId": 4711}]')

    with (
        running("upstream", "--port", "0", "--sample", str(sample)) as upstream,
        running("serve", "--port", "0", "--upstream-url", upstream.waits_for(ADDRESS)) as gateway,
    ):
        url = gateway.waits_for(f"serving {ADDRESS}/graphql") + "/graphql"
        answer = ask(url)
        codes = gateway.ends(signal.SIGTERM), upstream.ends(signal.SIGINT)

    assert answer == {"data": {"chatSessions": [{"chatSessionId": 4711}]}}
    assert codes == (0, 0)
    assert "Traceback" not in "".join(gateway.printed + upstream.printed)


class SlowRest:
    """A fake REST API that signals a call, and answers once the test allows it."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.may_answer = threading.Event()
        self.app = Starlette(routes=[Route(PATH, self.answer)])

    async def answer(self, request: Request) -> JSONResponse:
        """Answer with one session once the test allows it."""
        self.called.set()
        await asyncio.to_thread(self.may_answer.wait, PATIENCE_S)
        return JSONResponse([{"ChatSessionId": 1}])


def refuses(url: str) -> None:
    """Wait until the address refuses connections."""
    address = httpx.URL(url)
    with contextlib.suppress(OSError):
        for _ in range(PATIENCE_S * 20):
            socket.create_connection((address.host, address.port or 80), timeout=1).close()
            time.sleep(0.05)
        pytest.fail("it still listens")  # pragma: no cover - only when it is broken


def test_sigterm_completes_requests_in_flight() -> None:
    """New connections are refused, the waiting client gets its answer, then the gateway ends."""
    rest = SlowRest()
    with (
        served(rest.app) as upstream_url,
        running("serve", "--port", "0", "--upstream-url", upstream_url) as gateway,
        ThreadPoolExecutor() as threads,
    ):
        url = gateway.waits_for(f"serving {ADDRESS}/graphql") + "/graphql"
        answer = threads.submit(ask, url)
        assert rest.called.wait(PATIENCE_S)

        gateway.process.send_signal(signal.SIGTERM)
        refuses(url)
        rest.may_answer.set()

        assert answer.result(PATIENCE_S) == {"data": {"chatSessions": [{"chatSessionId": 1}]}}
        assert gateway.process.wait(PATIENCE_S) == 0


def test_signals_until_the_end_leave_the_exit_code() -> None:
    """An orchestrator's second SIGTERM, or a reload, in the last moment is no failure."""
    flags = ["--port", "0", "--upstream-url", "http://127.0.0.1:1"]
    with running("serve", *flags) as gateway:
        gateway.waits_for("serving")
        gateway.process.send_signal(signal.SIGTERM)
        while gateway.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGHUP):
                gateway.process.send_signal(number)
                time.sleep(0.002)

        assert gateway.process.returncode == 0


def test_sigterm_does_not_wait_for_a_rest_api_that_hangs() -> None:
    """The call's own timeout ends it, and the client gets UPSTREAM_TIMEOUT."""
    rest = SlowRest()
    with (
        served(rest.app) as upstream_url,
        running(
            "serve", "--port", "0", "--upstream-url", upstream_url, "--upstream-timeout", "1"
        ) as gateway,
        ThreadPoolExecutor() as threads,
    ):
        url = gateway.waits_for(f"serving {ADDRESS}/graphql") + "/graphql"
        answer = threads.submit(ask, url)
        assert rest.called.wait(PATIENCE_S)

        code = gateway.ends()
        rest.may_answer.set()

        (error,) = answer.result(PATIENCE_S)["errors"]
        assert error["extensions"]["code"] == "UPSTREAM_TIMEOUT"
        assert code == 0


def test_a_port_in_use_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The line has the address, and how to choose another port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])

        code = main(["demo", "--port", port])

    printed = capsys.readouterr()
    assert code == 2
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"gateway: port {port} of 127.0.0.1 is in use: ")
    assert printed.out == ""


def test_a_bad_setting_is_one_line_and_exit_code_2() -> None:
    """A unit or container shows this line as the reason of its failed start."""
    code, lines = fails("serve", "--upstream-url", "http://crm", GATEWAY_CACHE_SECRET="hunter2")

    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("gateway: GATEWAY_CACHE_SECRET: it must have")
    assert "hunter2" not in lines[0]


_IMPORTS = """
import sys
from gateway.commands.cli import main
from uvicorn import Server

Server.run = lambda *_, **__: print(*sys.modules)
sys.exit(main(["serve", "--port", "0", "--upstream-url", "http://127.0.0.1:1"]))
"""


def test_serve_does_not_load_the_demo_tracing_or_redis() -> None:
    """A real gateway has no demo users in memory, and neither tracing nor redis while unused."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )

    modules = done.stdout.split()
    assert "gateway.server.protocol" in modules
    unwanted = ("gateway.demo", "gateway.observe.tracing", "gateway.store.redis", "redis")
    assert [name for name in modules if name.startswith(unwanted)] == []
