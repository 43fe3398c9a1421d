"""A REST API that cannot be reached, or whose certificate is not trusted."""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from gateway.settings import Settings
from gateway.upstream.transport import PooledTransport
from tests.fake_dns import FakeDNS
from tests.ports import free_port
from tests.upstream.faulty import (
    DATA,
    GRAPHQL_JSON,
    MARKER,
    Behaviour,
    answer,
    ask,
    faulty_rest,
    gateway_to,
    leaks_in,
)

pytestmark = pytest.mark.socket

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificates and is not installed"
)

Certify = Callable[[str], ssl.SSLContext]
Check = Callable[..., Awaitable[None]]

DIRECT = Settings(upstream_url="http://rest.test")
THIS_HOST = "IP:127.0.0.1"

# The configuration of `openssl ca`: unlike `req`, every version of it can set the dates.
AUTHORITY = f"""
[ca]
default_ca = rest
[rest]
database = issued.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
subjectAltName = {THIS_HOST}
"""


def openssl(folder: Path, command: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certify(tmp_path: Path) -> Certify:
    """Return a maker of self-signed certificates, written to `tmp_path / "rest.pem"`."""

    def make(name: str) -> ssl.SSLContext:
        openssl(
            tmp_path,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout rest.key "
            f"-out rest.pem -days 2 -subj /CN={MARKER} -addext subjectAltName={name}",
        )
        return serving(tmp_path)

    return make


@pytest.fixture
def expired(tmp_path: Path, certify: Certify) -> ssl.SSLContext:
    """Return a self-signed certificate of 2020, in `tmp_path / "rest.pem"`."""
    certify(THIS_HOST)
    (tmp_path / "ca.cnf").write_text(AUTHORITY)
    (tmp_path / "issued.txt").touch()
    openssl(tmp_path, f"req -new -key rest.key -subj /CN={MARKER} -out rest.csr")
    openssl(
        tmp_path,
        "ca -batch -notext -config ca.cnf -create_serial -selfsign -keyfile rest.key -in rest.csr "
        "-startdate 20200101000000Z -enddate 20200102000000Z -out rest.pem",
    )
    return serving(tmp_path)


def serving(folder: Path) -> ssl.SSLContext:
    """Return the server's TLS context with openssl's files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "rest.pem", folder / "rest.key")
    return context


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the certificate that `certify` makes."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))


@pytest.fixture
def check_unavailable(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Return a check that clients get UPSTREAM_UNAVAILABLE for a URL, in time and without leaks."""
    caplog.set_level(logging.INFO, "gateway")

    async def check(url: str, connect_timeout_s: float = 3) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        async with gateway_to(url, upstream_connect_timeout=connect_timeout_s) as gateway:
            as_json = await ask(gateway)
            as_graphql = await ask(gateway, GRAPHQL_JSON)
        [error] = as_json.json()["errors"]
        output = caplog.text + "".join(capsys.readouterr())

        assert as_json.status_code == 200
        assert error["extensions"] == {"code": "UPSTREAM_UNAVAILABLE"}
        assert error["path"] == ["chatSessions"]
        assert as_graphql.status_code == 503
        assert clock() - started < 10
        assert leaks_in(as_json.text + as_graphql.text + output) == []
        assert ".invalid" not in as_json.text + output

    return check


def sends_plain_bytes_after_tls(sent: bytes) -> Behaviour:
    """Send something encrypted, and then plain bytes on the same socket."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        raw = writer.get_extra_info("socket")
        os.write(raw.fileno(), MARKER.encode() * 10)
        await reader.read()

    return play


async def test_a_refused_connection_means_unavailable(check_unavailable: Check) -> None:
    """A port without a listener is unavailable."""
    await check_unavailable(f"http://127.0.0.1:{free_port()}")


async def test_the_next_request_connects_again() -> None:
    """The next request after a refused connection connects again."""
    port = free_port()
    async with gateway_to(f"http://127.0.0.1:{port}") as gateway:
        before = await ask(gateway)
        async with faulty_rest(port=port):
            after = await ask(gateway)

    assert before.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    assert after.json() == {"data": DATA}


async def test_an_unknown_host_means_unavailable(
    check_unavailable: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host name that does not resolve is unavailable."""

    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    await check_unavailable("http://rest.invalid")


async def test_a_slow_name_resolution_means_unavailable(
    check_unavailable: Check, dns: FakeDNS
) -> None:
    """The connect timeout includes the resolution of the name."""
    dns.answers["rest.invalid"] = []

    await check_unavailable("http://rest.invalid", 0.3)


async def test_names_without_an_answer_delay_no_other(dns: FakeDNS) -> None:
    """A tenant whose host DNS does not know about costs the others nothing."""
    dead = [f"dead{number}.test" for number in range(40)]  # asyncio has 32 threads at most
    dns.answers.update({host: [] for host in dead} | {"rest.test": ["127.0.0.1"]})
    impatient = Settings(upstream_url="http://rest.test", upstream_connect_timeout=0.1)

    async def status(settings: Settings, url: str) -> int:
        async with PooledTransport(settings) as pool:
            response = await pool.handle_async_request(httpx.Request("GET", url))
            await response.aclose()
        return response.status_code

    async with faulty_rest() as rest:
        calls = (status(impatient, f"http://{host}") for host in dead)
        failures = await asyncio.gather(*calls, return_exceptions=True)
        url = rest.url.replace("127.0.0.1", "rest.test")
        statuses = [await status(DIRECT, url) for _ in range(2)]  # tenants at one host

    assert {type(failure) for failure in failures} == {httpx.ConnectTimeout}
    assert statuses == [200, 200]
    assert [dns.queries[host] for host in (*dead, "rest.test")] == [1] * 41


@needs_openssl
@pytest.mark.usefixtures("trusted")
async def test_a_call_goes_on_at_the_next_address(certify: Certify, dns: FakeDNS) -> None:
    """The first accepts connections and finishes no handshake, as behind a broken IPv6."""
    dns.answers["crm.test"] = ["127.0.0.2", "127.0.0.1"]
    async with faulty_rest(tls=certify("DNS:crm.test")) as rest:
        url = rest.url.replace("127.0.0.1", "crm.test")
        with socket.create_server(("127.0.0.2", rest.port)):
            async with gateway_to(url, upstream_connect_timeout=1) as gateway:
                response = await ask(gateway)

    assert response.json() == {"data": DATA}


async def test_a_host_with_a_full_backlog_means_unavailable(
    check_unavailable: Check,
) -> None:
    """A host with a full backlog, which does not answer at all, is unavailable."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        await check_unavailable(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.3)


async def test_a_handshake_that_never_ends_means_unavailable(check_unavailable: Check) -> None:
    """The connect timeout includes the TLS handshake."""
    async with faulty_rest() as rest:
        await check_unavailable(rest.url.replace("http:", "https:"), 0.3)


@needs_openssl
async def test_an_untrusted_certificate_means_unavailable(
    check_unavailable: Check, certify: Certify
) -> None:
    """No credentials are sent to a host without a trusted certificate."""
    async with faulty_rest(tls=certify(THIS_HOST)) as rest:
        await check_unavailable(rest.url)

    assert rest.calls == 0


@needs_openssl
@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_host_means_unavailable(
    check_unavailable: Check, certify: Certify
) -> None:
    """A trusted certificate for another host is refused."""
    async with faulty_rest(tls=certify("DNS:elsewhere.example")) as rest:
        await check_unavailable(rest.url)

    assert rest.calls == 0


@needs_openssl
@pytest.mark.usefixtures("trusted")
async def test_an_expired_certificate_means_unavailable(
    check_unavailable: Check, expired: ssl.SSLContext
) -> None:
    """A trusted certificate that has expired is refused."""
    async with faulty_rest(tls=expired) as rest:
        await check_unavailable(rest.url)

    assert rest.calls == 0


@needs_openssl
async def test_a_private_authority_can_be_trusted(
    certify: Certify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds the private authority of an installation on site."""
    async with faulty_rest(tls=certify(THIS_HOST)) as rest:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
        async with gateway_to(rest.url) as gateway:
            response = await ask(gateway)

    assert response.json() == {"data": DATA}


@needs_openssl
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("sent", [b"", answer()[:-4]], ids=["at once", "in the body"])
async def test_invalid_bytes_after_the_handshake_mean_unavailable(
    sent: bytes, check_unavailable: Check, certify: Certify
) -> None:
    """A TLS failure after the handshake is an unavailable REST API."""
    async with faulty_rest(sends_plain_bytes_after_tls(sent), tls=certify(THIS_HOST)) as rest:
        await check_unavailable(rest.url)

    assert rest.calls == 4


@needs_openssl
@pytest.mark.usefixtures("trusted")
async def test_a_missing_client_certificate_means_unavailable(
    check_unavailable: Check, certify: Certify, tmp_path: Path
) -> None:
    """A missing client certificate is refused, in TLS 1.3 after the handshake."""
    context = certify(THIS_HOST)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "rest.pem")
    async with faulty_rest(tls=context) as rest:
        await check_unavailable(rest.url)

    assert rest.calls == 0
