"""Metrics of a gateway as it is served: one worker or several, on the main port or their own."""

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
from gateway.observe.sharing import SharedMetrics
from gateway.server.run import serve
from tests.commands.test_serving import ADDRESS, PATIENCE_S, Command, ask, running
from tests.support import served
from tests.waiting import until_soon

pytestmark = pytest.mark.socket


def requests_of(url: str) -> tuple[float, float]:
    """Return how many requests were answered, and by how many processes."""
    text = httpx.get(f"{url}/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    count = sum(s.value for s in samples if s.name == "gateway_requests_total")
    return count, sum(1 for s in samples if s.name == "process_resident_memory_bytes")


def reaches(url: str, count: float) -> None:
    """Wait until so many requests are counted: those of other workers appear a second later."""
    for _ in range(PATIENCE_S * 10):
        with contextlib.suppress(httpx.TransportError):
            if requests_of(url)[0] == count:
                return
        time.sleep(0.1)
    pytest.fail(f"{requests_of(url)} instead of {count}")  # pragma: no cover - when it is broken


def written(folder: Path) -> float:
    """Return how many requests are counted in the files that workers write."""
    (shared,) = folder.glob("gateway-metrics-*")
    samples = [s for metric in SharedMetrics(shared).collect() for s in metric.samples]
    return sum(s.value for s in samples if s.name == "gateway_requests_total")


def workers(command: Command) -> set[int]:
    """Return the process ids of those that have started."""
    printed = "".join(command.printed)
    return {int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", printed)}


@pytest.mark.parametrize("port", [[], ["--metrics-port", "0"]], ids=["main port", "own port"])
def test_the_metrics_of_several_workers_are_added_up(
    port: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever worker is scraped, and with the counts of a worker that died and is replaced.

    All of them end together, and nothing stays on the disk.
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
        for _ in range(2):
            gateway.waits_for("Application startup complete")
        for _ in range(20):
            ask(f"{url}/graphql")

        for _ in range(5):
            reaches(metrics_url or url, 20)
        # What was counted since the last writing would go with it.
        until_soon(lambda: written(tmp_path) == 20)
        pid = workers(gateway).pop()
        os.kill(pid, signal.SIGKILL)
        gateway.waits_for(f"worker {pid} ended with code -9: another one starts")
        assert len(ask(f"{url}/graphql")["data"]["chatSessions"]) == 2
        gateway.waits_for("Application startup complete")
        reaches(metrics_url or url, 21)
        if metrics_url:
            assert httpx.get(f"{url}/metrics").status_code == 404
        code = gateway.ends()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)

    assert code == 0
    assert not [*tmp_path.glob("gateway-metrics-*")]


def test_one_worker_can_serve_metrics_on_their_own_port() -> None:
    """Nothing else is served there."""
    with running(
        *("serve", "--port", "0", "--metrics-port", "0", "--upstream-url", "http://127.0.0.1:1")
    ) as gateway:
        metrics_url = gateway.waits_for(f"metrics on {ADDRESS}/metrics")
        url = gateway.waits_for(f"serving {ADDRESS}/graphql")
        gateway.waits_for("Application startup complete")
        ask(f"{url}/graphql")

        reaches(metrics_url, 1)
        with httpx.Client() as client:  # it keeps its connection
            client.get(f"{url}/healthz")
            until_soon(
                lambda: "\ngateway_connections 1.0" in httpx.get(f"{metrics_url}/metrics").text
            )
        assert "chatSessions" not in httpx.post(f"{metrics_url}/graphql", content=b"{}").text


def test_a_port_for_metrics_that_is_in_use_is_a_settings_error() -> None:
    """It names the port and the flag to change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(SettingsError) as caught:
            serve(Settings(upstream_url="http://127.0.0.1:1", port=0, metrics_port=port))

    assert str(caught.value) == (
        f"port {port} of 127.0.0.1 is in use: stop the other program, "
        f"or pass --metrics-port {port + 1}"
    )
