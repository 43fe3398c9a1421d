"""Each on/off setting, changed from its default: the gateway becomes ready and answers."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway import Settings
from gateway.upstream.client import PATH
from tests.commands.test_serving import ADDRESS, KARI, PATIENCE_S, QUERY, running
from tests.support import RestSide, gateway_over, served

pytestmark = pytest.mark.socket

SWITCHES = {
    name: "off" if field.default else "on"
    for name, field in Settings.model_fields.items()
    if field.annotation is bool
}
NAMES = list(SWITCHES)
SLOW_PATHS = ["tracing", "trusted_documents_only"]
"""These switch off the fast paths of a request."""


async def one_session(request: Request) -> JSONResponse:
    """Play the REST API."""
    return JSONResponse([{"ChatSessionId": 1}])


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """Return the address of one REST API for all tests."""
    with served(Starlette(routes=[Route(PATH, one_session)])) as address:
        yield address


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a manifest of trusted documents."""
    file = tmp_path_factory.mktemp("trusted") / "documents.json"
    file.write_text(f'{{"sessions": "{QUERY["query"]}"}}')
    return file


@pytest.fixture(scope="module")
def collector() -> Iterator["Collector"]:
    """Return a collector of traces."""
    server = Collector(("127.0.0.1", 0), Collector.Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Collector(http.server.HTTPServer):
    """Receives traces in OTLP over HTTP."""

    received = b""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Stores the spans that it receives."""

        server: "Collector"

        def do_POST(self) -> None:
            """Receive spans."""
            assert self.path == "/v1/traces"
            self.server.received += self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""


@pytest.fixture(autouse=True)
def export_of_spans(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export spans to the collector with a short delay."""
    collector.received = b""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


def test_the_switches_include_tracing() -> None:
    """The list of switches is not empty and includes tracing."""
    assert SWITCHES["tracing"] == "on"
    assert len(SWITCHES) > 5


@pytest.mark.parametrize("name", NAMES)
async def test_a_gateway_with_one_switch_answers(name: str, manifest: Path) -> None:
    """A gateway with one switch changed answers; the others have their defaults."""
    more = {"trusted_documents": manifest} if name == "trusted_documents_only" else {}
    async with gateway_over(RestSide(), **{name: SWITCHES[name]}, **more) as gateway:
        ready = await gateway.http.get("/readyz")
        answer = await gateway.post(QUERY["query"])

    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "names", [SLOW_PATHS, [*{*NAMES} - {*SLOW_PATHS}]], ids=["slow paths", "other switches"]
)
def test_a_gateway_with_several_switches_becomes_ready_and_answers(
    names: list[str],
    workers: int,
    upstream: str,
    manifest: Path,
    collector: Collector,
) -> None:
    """A real process with several switches changed becomes ready and answers."""
    flags = [f"--{name.replace('_', '-')}={SWITCHES[name]}" for name in names]
    if "trusted_documents_only" in names:
        flags.append(f"--trusted-documents={manifest}")

    with running(
        *("serve", "--port=0", f"--workers={workers}", f"--upstream-url={upstream}", *flags)
    ) as command:
        url = command.waits_for(f"serving {ADDRESS}/graphql")
        ready = httpx.get(f"{url}/readyz")
        answer = httpx.post(f"{url}/graphql", json=QUERY, headers=KARI)
        if "tracing" in names:
            wait_for_spans(collector)

    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}
    assert (b"superoffice-chat-gateway" in collector.received) is ("tracing" in names)


def wait_for_spans(collector: Collector) -> None:
    """Wait until a span has arrived."""
    for _ in range(PATIENCE_S * 50):
        if collector.received:
            return
        time.sleep(0.02)
    pytest.fail("no span arrived")  # pragma: no cover - only when it is broken
