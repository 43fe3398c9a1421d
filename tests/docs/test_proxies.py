"""The manual's configurations of nginx, HAProxy and Caddy, in front of a gateway."""

import asyncio
import contextlib
import gzip
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from gateway import Settings
from gateway.demo.app import create_demo_app
from gateway.server.protocol import GatewayProtocol
from tests.commands.test_serving import ADDRESS, KARI, Command, running
from tests.docs.fronts import CERTIFICATE, GATEWAY, QUOTED, SITE, certify, front, is_open
from tests.server.test_servers import serving
from tests.support import UPSTREAM_URL, served
from tests.waiting import until_soon

PROXIES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            shutil.which(name) is None, reason=f"needs {name}: `apt-get install {name}`"
        ),
    )
    for name in QUOTED
]
INSTALLED = [name for name in QUOTED if shutil.which(name)]
CLIENT = "127.0.0.2"  # not the proxies' address, which the gateway trusts
QUERY = {"query": "{ chatSessions { chatSessionId customerName topicName status } }"}
SUBSCRIPTION = {"query": "subscription { chatSessionSummary { total } }"}
IDLE = {
    "nginx": r"\n  keepalive_timeout (\d+)s;",
    "haproxy": r"pool-purge-delay (\d+)s\n",
    "caddy": r"keepalive (\d+)s\n",
}
UNCHECKED = {
    "nginx": {},
    "haproxy": {"check inter 1s fall 2 rise 1 ": ""},
    "caddy": {
        "    health_uri /readyz\n    health_interval 1s\n"
        "    health_headers {\n      Connection close\n    }\n": ""
    },
}

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: `apt-get install curl`"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]


class Answer(NamedTuple):
    """The fields of a response that curl reports, and its body."""

    version: str
    status: str
    url: str
    encoding: str
    body: bytes


class Site:
    """A proxy from the view of its clients."""

    def __init__(self, folder: Path, port: int) -> None:
        self._certificate = folder / CERTIFICATE
        self._port = port
        self.origin = f"https://{SITE}:{port}"

    def curl(self, path: str, *options: str, post: dict[str, str] | None = None) -> list[str]:
        """Return a curl command that sends a request over HTTP/2."""
        headers = {**KARI, "Content-Type": "application/json"} if post else {}
        sent = ["-d", json.dumps(post)] if post else []
        for name, value in headers.items():
            sent += ["-H", f"{name}: {value}"]
        network = f"--interface {CLIENT} --resolve {SITE}:{self._port}:127.0.0.1 --http2 -sNm 20"
        tls = ["--cacert", f"{self._certificate}"]
        return ["curl", *network.split(), *tls, *sent, *options, f"{self.origin}{path}"]

    def answer(self, path: str, *options: str, post: dict[str, str] | None = None) -> Answer:
        """Send a request over HTTP/2, and follow redirects."""
        fields = "%{http_version} %{response_code} %{url_effective} %header{content-encoding}"
        command = self.curl(path, "-Lw", f"%{{stderr}}{fields}", *options, post=post)
        done = subprocess.run(command, check=True, capture_output=True)
        version, status, url, encoding = done.stderr.decode().split(" ")
        return Answer(version, status, url.removeprefix(self.origin), encoding, done.stdout)

    def socket(self, prefix: str, origin: str = "") -> connect:
        """Return a WebSocket, with this origin or that of the site."""
        return connect(
            f"wss://{SITE}:{self._port}{prefix}/graphql",
            host="127.0.0.1",
            ssl=ssl.create_default_context(cafile=self._certificate),
            subprotocols=[Subprotocol("graphql-transport-ws")],
            origin=Origin(origin or self.origin),
        )


@contextlib.contextmanager
def sites(
    folder: Path, address: str, changes: dict[str, dict[str, str]]
) -> Iterator[dict[str, Site]]:
    """Start the manual's proxies with changes, in front of one gateway."""
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(front(name, folder, {GATEWAY: address, **changed}))
            for name, changed in changes.items()
        }
        for port in ports.values():
            until_soon(partial(is_open, port))
        yield {name: Site(folder, port) for name, port in ports.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate of the site."""
    folder = tmp_path_factory.mktemp("proxies")
    certify(folder)
    return folder


@pytest.fixture(scope="module")
def gateway_process() -> Iterator[tuple[Command, str]]:
    """Return a gateway that trusts the proxies, and its address."""
    with served(create_demo_app()) as demo:
        flags = ("--upstream-url", demo, "--trusted-proxies", "127.0.0.1", "--port", "0")
        with running("serve", *flags) as command:
            address = command.waits_for(ADDRESS).removeprefix("http://")
            yield command, address


@pytest.fixture(scope="module")
def all_sites(folder: Path, gateway_process: tuple[Command, str]) -> Iterator[dict[str, Site]]:
    """Return all installed proxies, in front of the same gateway."""
    with sites(folder, gateway_process[1], {name: {} for name in INSTALLED}) as started:
        yield started


@pytest.fixture(params=PROXIES)
def site(request: pytest.FixtureRequest, all_sites: dict[str, Site]) -> Site:
    """Return one of the proxies."""
    return all_sites[request.param]


@pytest.mark.parametrize("prefix", ["", "/chat"])
def test_requests_pass_over_http2(site: Site, prefix: str) -> None:
    """Only the gateway compresses, and the metrics are not public."""
    answer = site.answer(f"{prefix}/graphql", "-H", "Accept-Encoding: gzip", post=QUERY)

    assert answer[:2] == ("2", "200")
    assert answer.encoding == "gzip"
    assert len(json.loads(gzip.decompress(answer.body))["data"]["chatSessions"]) > 5
    for path in (f"{prefix}/metrics", f"/x{prefix}/metrics", f"/{prefix}/metrics"):
        assert site.answer(path).status == "404"
    assert site.answer(f"{prefix}/healthz").status == "200"


@pytest.mark.parametrize("prefix", ["", "/chat"])
def test_the_page_and_its_files_are_found(site: Site, prefix: str) -> None:
    """The redirect to the page and its links are relative."""
    page = site.answer(f"{prefix}/", "-H", "Accept: text/html")
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.body.decode())
    files = [site.answer(f"{prefix}/{link}").status for link in links if "://" not in link]

    assert (page.status, page.url) == ("200", f"{prefix}/graphql")
    assert files
    assert set(files) == {"200"}


@pytest.mark.parametrize("prefix", ["", "/chat"])
def test_events_are_not_buffered(site: Site, prefix: str) -> None:
    """An event arrives while its stream continues."""
    command = site.curl(f"{prefix}/graphql", "-H", "Accept: text/event-stream", post=SUBSCRIPTION)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
        assert stream.stdout is not None
        event = next(line for line in stream.stdout if line.startswith("data: "))
        is_open = stream.poll() is None
        stream.terminate()

    assert json.loads(event.removeprefix("data: "))["data"]["chatSessionSummary"]["total"] == 12
    assert is_open


async def total_on(opened: ClientConnection) -> int:
    """Authenticate on a WebSocket, and return the total in a subscription's first event."""
    await opened.send(json.dumps({"type": "connection_init", "payload": KARI}))
    assert json.loads(await opened.recv())["type"] == "connection_ack"
    await opened.send(json.dumps({"id": "1", "type": "subscribe", "payload": SUBSCRIPTION}))
    payload = json.loads(await opened.recv())["payload"]
    return int(payload["data"]["chatSessionSummary"]["total"])


@pytest.mark.parametrize("prefix", ["", "/chat"])
async def test_a_socket_of_the_gateways_own_page_passes(site: Site, prefix: str) -> None:
    """The origin of the page is the address of the proxy."""
    async with asyncio.timeout(10), site.socket(prefix) as opened:
        assert await total_on(opened) == 12


def test_the_log_has_the_address_of_the_client(
    site: Site, gateway_process: tuple[Command, str]
) -> None:
    """The log has the address that the proxy sees, whatever X-Forwarded-For the client sends."""
    sent = ("-H", "X-Forwarded-For: 203.0.113.9", "-H", f"X-Request-ID: {id(site)}")
    site.answer("/graphql", *sent, post=QUERY)

    line = json.loads(gateway_process[0].waits_for(rf'^.*"request_id":"{id(site)}".*$'))
    assert (line["client"], line["status"]) == (CLIENT, 200)


async def test_a_refused_handshake_is_logged_with_its_reason(
    site: Site, gateway_process: tuple[Command, str]
) -> None:
    """For a page of another site, a warning names the settings that would allow it."""
    with pytest.raises(InvalidStatus) as refused:
        await site.socket("", "https://other.example")

    command = gateway_process[0]
    warning = json.loads(command.waits_for(r'^.*"warning".*$'))
    line = json.loads(command.waits_for(r'^.*"status":403.*$'))
    assert refused.value.response.status_code == 403
    assert "GATEWAY_TRUSTED_PROXIES" in warning["event"]
    assert (line["outcome"], line["client"]) == ("BAD_REQUEST", "127.0.0.1")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
async def test_a_trusted_proxy_need_not_pass_on_the_host(
    folder: Path, gateway_process: tuple[Command, str]
) -> None:
    """With `proxy_pass` alone, nginx sends the name of its upstream as `Host`."""
    changes = {"  proxy_set_header Host $client_host;\n": ""}
    with sites(folder, gateway_process[1], {"nginx": changes}) as started:
        async with asyncio.timeout(10), started["nginx"].socket("") as opened:
            assert await total_on(opened) == 12


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_a_request_without_a_host_passes(all_sites: dict[str, Site]) -> None:
    """A request over HTTP/3 has no such header, as one over HTTP/1.0 need not have it."""
    answer = all_sites["nginx"].answer("/graphql", "--http1.0", "-H", "Host:", post=QUERY)

    assert answer[:2] == ("1.1", "200")


class Ready(BaseHTTPRequestHandler):
    """Answers that an instance is ready."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@contextlib.contextmanager
def listening(instance: HTTPServer) -> Iterator[None]:
    """Let a bound instance accept connections until the end of the block."""
    instance.server_activate()
    thread = threading.Thread(target=instance.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        instance.shutdown()
        instance.server_close()
        thread.join()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_uses_an_instance_soon_after_its_restart(folder: Path) -> None:
    """Otherwise the next instance of a rolling restart closes its port while none is in use."""
    one, other = (HTTPServer(("127.0.0.1", 0), Ready, bind_and_activate=False) for _ in range(2))
    addresses = []
    for instance in (one, other):
        instance.server_bind()
        addresses.append("{}:{}".format(*instance.server_address))
    [line] = re.findall(rf"  server {GATEWAY}.*\n", QUOTED["nginx"])
    changes = {line: "".join(line.replace(GATEWAY, address) for address in addresses)}
    with contextlib.ExitStack() as stack:
        with listening(one):  # the other one refuses connections
            port = stack.enter_context(front("nginx", folder, changes))
            until_soon(partial(is_open, port))
            site = Site(folder, port)
            assert {site.answer("/healthz").status for _ in range(4)} == {"200"}
        with listening(other):
            time.sleep(2.1)  # nginx counts whole seconds
            assert site.answer("/healthz").status == "200"


@pytest.mark.parametrize("name", QUOTED)
def test_a_proxy_keeps_idle_connections_for_less_time_than_the_gateway(name: str) -> None:
    """Otherwise a request may meet a connection that is being closed, and its client gets 502."""
    [idle_s] = re.findall(IDLE[name], QUOTED[name])

    assert int(idle_s) < Settings(upstream_url=UPSTREAM_URL).keep_alive


@pytest.mark.skipif(not INSTALLED, reason="needs nginx, haproxy or caddy")
@pytest.mark.parametrize(
    ("proxy_waits", "gateway_s", "is_gateway_first"), [("200ms", 30, False), ("30s", 0.2, True)]
)
def test_the_side_with_the_shorter_idle_timeout_closes(
    proxy_waits: str,
    gateway_s: float,
    is_gateway_first: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The timeouts are shortened, and no health check uses the connections in between."""
    closed: list[GatewayProtocol] = []
    closed_by_gateway: list[GatewayProtocol] = []
    connection_lost = GatewayProtocol.connection_lost

    def lost(protocol: GatewayProtocol, exc: Exception | None) -> None:
        connection_lost(protocol, exc)
        closed.append(protocol)

    def timed_out(protocol: GatewayProtocol) -> None:
        closed_by_gateway.append(protocol)
        protocol.transport.close()

    monkeypatch.setattr("gateway.server.servers._KEEP_ALIVE_S", gateway_s)
    monkeypatch.setattr(GatewayProtocol, "timeout_keep_alive_handler", timed_out)
    monkeypatch.setattr(GatewayProtocol, "connection_lost", lost)
    changes = {}
    for name in INSTALLED:
        [line] = (match[0] for match in re.finditer(IDLE[name], QUOTED[name]))
        changes[name] = {line: re.sub(r"\d+s", proxy_waits, line), **UNCHECKED[name]}

    with serving() as address, sites(folder, address, changes) as started:
        assert {site.answer("/healthz").status for site in started.values()} == {"200"}
        until_soon(lambda: len(closed) == len(INSTALLED))

    assert len(closed_by_gateway) == is_gateway_first * len(INSTALLED)
