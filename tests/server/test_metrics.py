"""Metrics of a served gateway: one or several workers, on the main port or another one."""

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import Settings
from gateway.demo.app import create_demo_app
from gateway.errors import SettingsError
from gateway.observe.shared_metrics import SharedMetrics
from gateway.server.run import serve
from tests.commands.test_serving import ADDRESS, PATIENCE_S, Command, ask, running
from tests.support import served
from tests.waiting import until_soon

pytestmark = pytest.mark.socket


def counts_of_requests_and_processes(url: str) -> tuple[float, float]:
    """Return the number of answered requests and of processes that report metrics."""
    text = httpx.get(f"{url}/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    count = sum(s.value for s in samples if s.name == "gateway_requests_total")
    return count, sum(1 for s in samples if s.name == "process_resident_memory_bytes")


def wait_for_count(url: str, count: float) -> None:
    """Wait until this many requests are counted; other workers' counts arrive a second later."""
    for _ in range(PATIENCE_S * 10):
        with contextlib.suppress(httpx.TransportError):
            if counts_of_requests_and_processes(url)[0] == count:
                return
        time.sleep(0.1)
    pytest.fail(
        f"{counts_of_requests_and_processes(url)} instead of {count}"
    )  # pragma: no cover - when it is broken


def written_count(folder: Path) -> float:
    """Return the number of requests in the workers' metrics files."""
    (shared,) = folder.glob("gateway-metrics-*")
    samples = [s for metric in SharedMetrics(shared).collect() for s in metric.samples]
    return sum(s.value for s in samples if s.name == "gateway_requests_total")


def worker_pids(command: Command) -> set[int]:
    """Return the process ids of the started workers."""
    printed = "".join(command.printed)
    return {int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", printed)}


@pytest.mark.parametrize("port", [[], ["--metrics-port", "0"]], ids=["main port", "own port"])
def test_the_metrics_of_several_workers_are_added_up(
    port: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The metrics of all workers, also of one that was killed and replaced, are summed.

    All workers end together, and no file is left.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with (
        served(create_demo_app(sessions=2)) as rest,
        running(
            "serve",
            *("--port", "0", "--workers", "2", *port),
            *("--upstream-url", rest),
        ) as gateway,
    ):
        metrics_url = gateway.waits_for(f"metrics on {ADDRESS}/metrics") if port else None
        url = gateway.waits_for(f"serving {ADDRESS}/graphql")
        for _ in range(20):
            ask(f"{url}/graphql")

        for _ in range(5):
            wait_for_count(metrics_url or url, 20)
        # Counts since the last write are lost with the process.
        until_soon(lambda: written_count(tmp_path) == 20)
        pid = worker_pids(gateway).pop()
        os.kill(pid, signal.SIGKILL)
        gateway.waits_for(f"worker {pid} ended with code -9: another one starts")
        assert len(ask(f"{url}/graphql")["data"]["chatSessions"]) == 2
        gateway.waits_for("Application startup complete")
        wait_for_count(metrics_url or url, 21)
        if metrics_url:
            assert httpx.get(f"{url}/metrics").status_code == 404
        code = gateway.ends()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)

    assert code == 0
    assert not [*tmp_path.glob("gateway-metrics-*")]


def test_one_worker_can_serve_metrics_on_their_own_port() -> None:
    """The port of metrics serves nothing else."""
    with running(
        *("serve", "--port", "0", "--metrics-port", "0", "--upstream-url", "http://127.0.0.1:1")
    ) as gateway:
        metrics_url = gateway.waits_for(f"metrics on {ADDRESS}/metrics")
        url = gateway.waits_for(f"serving {ADDRESS}/graphql")
        ask(f"{url}/graphql")

        wait_for_count(metrics_url, 1)
        with httpx.Client() as client:  # keeps its connection open
            client.get(f"{url}/healthz")
            until_soon(
                lambda: "\ngateway_connections 1.0" in httpx.get(f"{metrics_url}/metrics").text
            )
        assert "chatSessions" not in httpx.post(f"{metrics_url}/graphql", content=b"{}").text


def test_a_port_for_metrics_that_is_in_use_is_a_settings_error() -> None:
    """A port of metrics in use is an error that names the flag to change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(SettingsError) as caught:
            serve(Settings(upstream_url="http://127.0.0.1:1", port=0, metrics_port=port))

    assert str(caught.value) == (
        f"port {port} of 127.0.0.1 is in use: stop the other program, "
        f"or pass --metrics-port {port + 1}"
    )
