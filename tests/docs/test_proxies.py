"""The manual's nginx passes on requests, event streams and WebSockets."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.demo.users import DEMO_USERS
from tests.docs.pages import blocks
from tests.server.test_in_process import free_port
from tests.support import served

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx"),
]
USER = {"Authorization": DEMO_USERS[0].authorization_basic}
SUBSCRIPTION = {"query": "subscription { chatSessionSummary { total } }"}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of nginx in front of a gateway: without TLS, on other ports."""
    folder = tmp_path_factory.mktemp("nginx")
    address = f"127.0.0.1:{free_port()}"
    with served(create_demo_app()) as demo, served(create_app(Settings(upstream_url=demo))) as url:
        [server] = blocks("nginx")
        server = re.sub(r"^  ssl_certificate.*\n", "", server, flags=re.MULTILINE)
        server = server.replace("listen 443 ssl", f"listen {address}")
        server = server.replace("127.0.0.1:8000", url.removeprefix("http://"))
        top = f"daemon off; pid {folder}/pid; error_log stderr; events {{}}"
        (folder / "nginx.conf").write_text(f"{top} http {{ access_log off; {server} }}", "utf-8")
        process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"])
        try:
            _wait_for(f"http://{address}/healthz")
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str) -> None:
    for _ in range(100):
        try:
            httpx.get(url).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("nginx does not start")  # pragma: no cover - only when it is broken


def test_requests_and_events_pass(proxy: str) -> None:
    """Events arrive while the stream goes on, and metrics are not public."""
    events = {**USER, "Accept": "text/event-stream"}
    answer = httpx.post(f"http://{proxy}/graphql", json={"query": "{ __typename }"}, headers=USER)
    with httpx.stream(
        "POST", f"http://{proxy}/graphql", json=SUBSCRIPTION, headers=events
    ) as stream:
        event = next(line for line in stream.iter_lines() if line.startswith("data: "))

    assert answer.json() == {"data": {"__typename": "Query"}}
    assert json.loads(event.removeprefix("data: "))["data"]["chatSessionSummary"]["total"] == 12
    assert httpx.get(f"http://{proxy}/metrics").status_code == 404


def test_a_socket_of_the_gateways_own_page_passes(proxy: str) -> None:
    """Its origin is the address of the proxy, which passes on the host."""
    with connect(
        f"ws://{proxy}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        origin=Origin(f"http://{proxy}"),
    ) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": USER}))
        acknowledged = json.loads(socket.recv(10))
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": SUBSCRIPTION}))
        event = json.loads(socket.recv(10))

    assert acknowledged["type"] == "connection_ack"
    assert event["payload"]["data"]["chatSessionSummary"]["total"] == 12
