"""The shutdown of a real process: it becomes unready, drains, and finishes its requests."""

import contextlib
import http.client
import itertools
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.server.servers import GatewayServer, config_of
from tests.commands.test_serving import (
    ADDRESS,
    KARI,
    PATIENCE_S,
    QUERY,
    Command,
    SlowRest,
    ask,
    refuses,
    running,
)
from tests.ports import free_port
from tests.support import served, served_by
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

ONE_SESSION = {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.fixture(scope="module")
def rest() -> Iterator[str]:
    """Return the address of a REST API with a delay before each answer."""
    with served(create_demo_app(sessions=2, delay_ms=20)) as url:
        yield url


@contextlib.contextmanager
def gateway(rest: str, *options: str) -> Iterator[tuple[Command, str]]:
    """Run a gateway over a REST API and yield its process and address."""
    with running("serve", "--port", "0", "--upstream-url", rest, *options) as command:
        url = command.waits_for(f"serving {ADDRESS}/graphql")
        assert httpx.get(f"{url}/readyz").status_code == 200
        yield command, url


def wait_for_draining(url: str) -> None:
    """Wait until a gateway is no longer ready."""
    for _ in range(PATIENCE_S * 50):
        response = httpx.get(f"{url}/readyz")
        if response.status_code == 503:
            assert response.json()["status"] == "draining"
            assert response.headers["connection"] == "close"
            return
        time.sleep(0.02)
    pytest.fail("it stays ready")  # pragma: no cover - only when it is broken


@pytest.mark.parametrize(
    ("workers", "kill"),
    [("1", os.killpg), ("2", os.killpg), ("2", os.kill)],
    ids=["one worker", "two workers, as systemd", "two workers, as Docker"],
)
def test_readiness_ends_before_the_port_closes(
    rest: str, workers: str, kill: Callable[[int, int], None]
) -> None:
    """During the drain, requests on old and new connections are answered.

    systemd signals the whole group, so that a worker gets the signal twice; Docker signals the
    first process only.
    """
    options = ["--workers", workers, "--shutdown-delay", "5"]
    with gateway(rest, *options) as (command, url), httpx.Client() as client:
        client.post(f"{url}/graphql", json=QUERY, headers=KARI)

        started = time.monotonic()
        kill(command.process.pid, signal.SIGTERM)
        wait_for_draining(url)
        answers = [
            opened.post(f"{url}/graphql", json=QUERY, headers=KARI)
            for opened in (client, client, httpx)
        ]
        refuses(url)
        took_s = time.monotonic() - started
        code = command.process.wait(PATIENCE_S)

    assert [len(answer.json()["data"]["chatSessions"]) for answer in answers] == [2] * 3
    if workers == "1":  # of several workers, another may get the signal a moment later
        assert [answer.headers["connection"] for answer in answers] == ["close"] * 3
    assert took_s > 4
    assert code == 0


def test_a_cached_answer_during_the_drain_closes_the_connection(rest: str) -> None:
    """A cached answer has `Connection: close`; idle connections close with the port."""
    body = json.dumps(QUERY)
    headers = {**KARI, "Content-Type": "application/json"}
    app = create_app(Settings(upstream_url=rest, cache_ttl=60))
    server = GatewayServer(config_of(app), shutdown_delay_s=600)
    with (
        served_by(server) as url,
        contextlib.ExitStack() as end,
        contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as used,
        contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as idle,
    ):
        end.callback(server.handle_exit, signal.SIGTERM, None)  # also when an assertion fails
        for connection in (used, used, idle):
            connection.request("POST", "/graphql", body, headers)
            connection.getresponse().read()
        assert idle.sock is not None

        server.handle_exit(signal.SIGTERM, None)
        wait_for_draining(url)
        used.request("POST", "/graphql", body, headers)
        answer = used.getresponse()

        assert "; hit;" in (answer.headers["cache-status"] or "")
        assert answer.headers["connection"] == "close"
        server.handle_exit(signal.SIGTERM, None)  # ends the delay
        assert idle.sock.recv(1) == b""


def send_signal(command: Command, number: signal.Signals) -> None:
    """Send a signal to the process, or Ctrl+C to its group as a terminal does."""
    if number == signal.SIGINT:
        os.killpg(command.process.pid, number)
    else:
        command.process.send_signal(number)


@pytest.mark.parametrize(
    ("workers", "signals"),
    [
        ("1", [signal.SIGINT]),
        ("2", [signal.SIGINT]),
        ("2", [signal.SIGTERM, signal.SIGTERM]),
        ("2", [signal.SIGTERM, signal.SIGINT]),
    ],
    ids=["Ctrl+C", "Ctrl+C, workers", "SIGTERM twice, workers", "SIGTERM and Ctrl+C, workers"],
)
def test_ctrl_c_or_a_second_signal_ends_the_drain(
    rest: str, workers: str, signals: list[signal.Signals]
) -> None:
    """Ctrl+C, which reaches every process of a terminal, or a second signal ends the drain."""
    options = ["--workers", workers, "--shutdown-delay", "600"]
    with gateway(rest, *options) as (command, url):
        first, *second = signals
        send_signal(command, first)
        for number in second:
            wait_for_draining(url)
            send_signal(command, number)
        code = command.process.wait(PATIENCE_S)

    assert code == 0
    assert "Traceback" not in "".join(command.printed)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigint_to_the_process_alone_does_the_same(workers: str) -> None:
    """The first SIGINT allows no delay, and a second one drops requests in progress."""
    slow = SlowRest()
    with (
        served(slow.app) as rest,
        gateway(rest, "--workers", workers, "--shutdown-delay", "600") as (command, url),
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(ask, f"{url}/graphql")
        assert slow.called.wait(PATIENCE_S)

        command.process.send_signal(signal.SIGINT)
        refuses(url)
        command.process.send_signal(signal.SIGINT)

        assert command.process.wait(PATIENCE_S) == 0
        with contextlib.suppress(OSError):
            answer.result(PATIENCE_S)
        slow.may_answer.set()


def test_workers_close_the_port_while_they_finish() -> None:
    """Workers close the port while they finish, as they accept no new connections."""
    slow = SlowRest()
    with (
        served(slow.app) as rest,
        gateway(rest, "--workers", "2", "--shutdown-delay", "0") as (command, url),
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(ask, f"{url}/graphql")
        assert slow.called.wait(PATIENCE_S)

        command.process.send_signal(signal.SIGTERM)
        refuses(url)
        slow.may_answer.set()

        assert answer.result(PATIENCE_S) == ONE_SESSION
        assert command.process.wait(PATIENCE_S) == 0


def test_workers_without_a_supervisor_end(rest: str) -> None:
    """Workers end when their supervisor was killed, which frees the port."""
    with gateway(rest, "--workers", "2", "--shutdown-delay", "0") as (command, url):
        command.process.kill()

        refuses(url)


@dataclass
class LoadBalancer:
    """Sends requests to the instances that were ready at the last poll."""

    ports: list[int]
    ready: list[int] = field(default_factory=list)
    latest: dict[int, int] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)
    answered: dict[int, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Poll each instance."""
        while not self.is_over.wait(0.05):
            self.ready = [port for port in self.ports if self._is_ready(port)]

    def _is_ready(self, port: int) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        return False

    def send_requests(self, client: int) -> None:
        """Send one client's requests on kept-alive connections, without retries."""
        connections = {port: http.client.HTTPConnection("127.0.0.1", port) for port in self.ports}
        with contextlib.ExitStack() as stack:
            for connection in connections.values():
                stack.callback(connection.close)
            numbers = itertools.count(client)
            while not self.is_over.is_set():
                self.latest[client] = number = next(numbers)
                if not (ready := self.ready):  # pragma: no cover - on a slow machine
                    time.sleep(0.01)
                    continue
                port = ready[number % len(ready)]
                self._ask(connections[port], port, number)
                time.sleep(0.01)

    def wait_until_unused(self, port: int) -> None:
        """Wait until no request is on its way to an instance that is no longer ready."""
        until_soon(lambda: port not in self.ready)
        before = self.latest.copy()
        until_soon(lambda: all(self.latest[client] > before[client] for client in before))

    def _ask(self, connection: http.client.HTTPConnection, port: int, number: int) -> None:
        body = json.dumps({"query": f"{{ chatSessions {{ a{number % 99}: chatSessionId }} }}"})
        headers = {**KARI, "Content-Type": "application/json"}
        try:
            if connection.sock and select.select([connection.sock], [], [], 0)[0]:
                connection.close()  # the gateway has closed it, which proxies notice, too
            connection.request("POST", "/graphql", body, headers)
            answer: Any = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as exc:  # pragma: no cover - there is none
            self.failed.append(f"{port}: {exc!r}")
            connection.close()
            return
        if len(answer["data"]["chatSessions"]) != 2:  # pragma: no cover - there is none
            self.failed.append(f"{port}: {answer}")
        self.answered[port] = self.answered.get(port, 0) + 1


def test_a_rolling_restart_fails_no_request(rest: str) -> None:
    """No request fails while instances are replaced one by one under load."""
    balancer = LoadBalancer([free_port(), free_port()])
    options = ["--upstream-url", rest, "--cache-ttl", "0.1", "--shutdown-delay", "600"]

    def start(port: int) -> Command:
        command = stack.enter_context(running("serve", "--port", str(port), *options))
        command.waits_for("serving")
        return command

    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as threads:
        old = {port: start(port) for port in balancer.ports}
        watching = threads.submit(balancer.watch)
        while len(balancer.ready) < 2:
            time.sleep(0.01)
        clients = [threads.submit(balancer.send_requests, number) for number in range(4)]
        codes = []
        for port, command in old.items():
            command.process.send_signal(signal.SIGTERM)
            balancer.wait_until_unused(port)
            codes.append(command.ends())  # a second signal ends the delay
            start(port)
            while len(balancer.ready) < 2:
                time.sleep(0.01)
            before = balancer.answered.copy()
            while any(balancer.answered[p] < before[p] + 10 for p in balancer.ports):
                time.sleep(0.01)
        balancer.is_over.set()
        for future in (watching, *clients):
            future.result(PATIENCE_S)

    assert codes == [0, 0]
    assert balancer.failed == []
