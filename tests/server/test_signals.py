"""Signals, listening and a blocked log, on real processes under load."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands.test_serving import KARI, PATIENCE_S, QUERY, running
from tests.server.test_every_switch import upstream  # noqa: F401  a fixture
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

GATEWAY = "http://gateway"
OLD, NEW = "an old secret that is long enough", "a new secret that is long enough"
EVENT = b'{"EventId": "1", "Events": ["chatsession.changed"]}'


@contextlib.contextmanager
def load(client: httpx.Client, url: str) -> Iterator[list[int]]:
    """Send one request after the other and yield their statuses."""
    statuses: list[int] = []
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            try:
                statuses.append(client.post(url, json=QUERY, headers=KARI).status_code)
            except httpx.HTTPError as exc:  # pragma: no cover - only when it is broken
                statuses.append(0)
                print(repr(exc))  # noqa: T201
            time.sleep(0.005)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        thread.join()


def webhook_status(url: str, secret: str) -> int:
    """Send a signed webhook on a new connection, which may reach any worker."""
    signature = base64.b64encode(hmac.digest(secret.encode(), EVENT, hashlib.sha256)).decode()
    headers = {"X-SuperOffice-Signature": signature}
    return httpx.post(f"{url}/webhooks/superoffice", content=EVENT, headers=headers).status_code


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the socket on which systemd receives states."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
        waiting.bind(str(tmp_path / "notify"))
        waiting.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield waiting


@pytest.mark.parametrize("workers", [1, 2])
def test_signals_under_load(
    workers: int,
    upstream: str,  # noqa: F811
    systemd: socket.socket,
    tmp_path: Path,
) -> None:
    """HUP reloads, USR1 makes the log verbose, USR2 does nothing; no request is lost."""
    secret, documents = tmp_path / "secret", tmp_path / "documents.json"
    secret.write_text(f"{OLD}\n")
    documents.write_text("{}")
    flags = ["--webhook-secret-file", str(secret), "--trusted-documents", str(documents)]
    flags += ["--host", "::", "--port", "0", "--workers", str(workers), "--upstream-url", upstream]

    with running("serve", *flags) as command:
        port = command.waits_for(r"serving http://\[::\]:(\d+)/graphql")
        assert systemd.recv(100) == b"READY=1"
        command.process.send_signal(signal.SIGUSR2)
        url, other = f"http://127.0.0.1:{port}", f"http://[::1]:{port}"
        with httpx.Client() as client, load(client, f"{other}/graphql") as statuses:
            assert webhook_status(url, OLD) == 200
            secret.write_text(NEW)
            documents.write_text(json.dumps({"sessions": QUERY["query"]}))
            command.process.send_signal(signal.SIGHUP)
            for _ in range(workers):
                command.waits_for("Reloaded: .*TRUSTED_DOCUMENTS")
            assert systemd.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert systemd.recv(100) == b"READY=1"
            for _ in range(2 * workers):
                assert (webhook_status(url, OLD), webhook_status(url, NEW)) == (401, 200)
                answer = httpx.post(f"{url}/graphql", json={"id": "sessions"}, headers=KARI)
                assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}

            secret.write_text("short")
            command.process.send_signal(signal.SIGHUP)
            command.waits_for("Nothing was reloaded: GATEWAY_WEBHOOK_SECRET_FILE: ")
            assert webhook_status(url, NEW) == 200

            command.process.send_signal(signal.SIGUSR1)
            for _ in range(workers):
                command.waits_for("The log has the level debug for 300 s")
            httpx.get(f"{url}/healthz")
            command.waits_for('"path":"/healthz".*"level":"debug"')
        code = command.ends()

    assert set(statuses) == {200}
    assert code == 0
    systemd.setblocking(False)
    states = list(received_states(systemd))
    assert states[-1] == b"STOPPING=1"


def received_states(waiting: socket.socket) -> Iterator[bytes]:
    """Return the states that have been sent so far."""
    with contextlib.suppress(BlockingIOError):
        while True:
            yield waiting.recv(100)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_blocked_log_does_not_block_the_gateway(
    workers: int,
    upstream: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With a log that nothing reads, requests are answered and lost lines are counted."""
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    flags = ["--host", f"unix:{path}", "--workers", str(workers), "--upstream-url", upstream]
    reader, stderr = os.pipe()
    process = subprocess.Popen([sys.executable, "-m", "gateway", "serve", *flags], stderr=stderr)
    os.close(stderr)
    transport = httpx.HTTPTransport(uds=str(path))
    try:
        with (
            httpx.Client(transport=transport, base_url=GATEWAY, timeout=PATIENCE_S) as client,
            socket.socket(socket.AF_UNIX) as pipeline,
        ):
            until_soon(lambda: connects(path), PATIENCE_S)
            assert client.get("/readyz").status_code == 200
            headers = {**KARI, "X-Request-ID": "x" * 128}  # makes the lines longer
            request = client.build_request("POST", "/graphql", json=QUERY, headers=headers)
            pipeline.connect(str(path))
            for _ in range(450):  # more lines than a pipe and the queue of 4 MiB hold
                assert statuses_of(pipeline, request, count=30) == {b"200"}
            until_soon(lambda: metric(client, "gateway_log_lines_dropped_total"), PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
    assert not path.exists()


def statuses_of(pipeline: socket.socket, request: httpx.Request, count: int) -> set[bytes]:
    """Send a request this many times at once, and return the statuses of all answers."""
    head = [b"POST /graphql HTTP/1.1", *(b"%b: %b" % header for header in request.headers.raw)]
    pipeline.sendall(count * (b"\r\n".join([*head, b"", request.read()])))
    received_states = b""
    while received_states.count(b'{"data"') < count:
        received_states += pipeline.recv(2**16)
    return set(re.findall(rb"HTTP/1.1 (\d+)", received_states))


def connects(path: Path) -> bool:
    """Return whether a process listens on the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def metric(client: httpx.Client, name: str) -> float:
    """Return the value of a metric."""
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
