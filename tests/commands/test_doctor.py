"""`gateway doctor` over real sockets: its findings, and its output."""

import asyncio
import contextlib
import email.utils
import json
import re
import shutil
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.commands.cli import main
from gateway.commands.doctor import command, machine, servers
from gateway.commands.doctor.finding import Finding
from gateway.settings import Settings
from gateway.store import redis
from gateway.upstream import transport
from gateway.upstream.client import PATH
from gateway.upstream.transport import PooledTransport
from tests.fake_dns import FakeDNS
from tests.ports import free_port
from tests.store.redis_server import redis_server
from tests.upstream.faulty import Play, answer, closes, drips, faulty_rest, head, resets, stalls
from tests.upstream.test_unreachable import openssl, serving

pytestmark = pytest.mark.socket

DIRECT = Settings(upstream_url="http://127.0.0.1", upstream_connect_timeout=10)
ZONED = "UTC, includeTZOffset"
REFUSED = answer(b"{}", status="401 Unauthorized")

Demanding = Callable[[ssl.TLSVersion, int], str]
"""Accepts a number of connections, up to a version of TLS; returns the address."""


async def examined(play: Play, timeout_s: float = 10) -> list[Finding]:
    """Return the findings about a fake REST API that answers so."""
    network = PooledTransport(DIRECT)
    async with faulty_rest(play) as side, network:
        findings = await asyncio.create_task(
            servers.answer(network, f"{side.url}/crm", timeout_s=timeout_s)
        )
        assert side.calls == 1
        assert side.requests[0].startswith(f"GET /crm{PATH} ".encode())
        assert b"authorization" not in side.requests[0].lower()
    return findings


@pytest.mark.parametrize(
    ("play", "level", "words"),
    [
        (REFUSED, "ok", "HTTP/1.1 401, application/json, in "),
        (answer(b"<html>", content_type="text/html; charset=utf-8"), "fail", "a web page"),
        (answer(b"[]"), "warn", "200, application/json"),
        (answer(b"", status="404 Not Found"), "fail", "not found"),
        (answer(b"", status="421 Misdirected Request"), "fail", "the tenant is at another host"),
        (answer(b"", status="503 Service Unavailable"), "fail", "out of service"),
        (answer(b"", status="403 Forbidden"), "warn", "unexpected"),
        (
            answer(b"", "Location: https://other.example/log-in?x=1", status="302 Found"),
            "fail",
            "redirects to https://other.example",
        ),
        (answer(b"", "Location: /crm/", status="301 Moved"), "fail", "redirects to another path"),
        (stalls(), "fail", "no answer within 0.3 seconds"),
        (closes(b"SSH-2.0-OpenSSH\r\n"), "fail", "the answer is not valid HTTP"),
        (closes(b"HTTP/1.1 what\r\n\r\n"), "fail", "not valid HTTP"),
        (closes(), "fail", "the connection breaks"),
        (resets(), "fail", "the connection breaks: ReadError"),
        (drips(head() * 100, every_s=0.05), "fail", "no answer within 0.3"),
        (answer(b"no gzip", "Content-Encoding: gzip", status="401 Unauthorized"), "ok", "401"),
    ],
)
async def test_an_answer_to_a_call_without_credentials_is_explained(
    play: Play, level: str, words: str
) -> None:
    """A 401 is right; any other answer is explained."""
    finding = (await examined(play, 0.3 if "0.3" in words else 10))[0]

    assert (finding.check, finding.level) == ("REST API", level)
    assert words in finding.found
    assert (finding.advice is None) is (level == "ok")
    assert "log-in?x" not in finding.found


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (0, "ok", "have the same time"),
        (-100, "warn", "ahead of SuperOffice's"),
        (100, "warn", "behind SuperOffice's"),
    ],
)
async def test_clocks_are_compared(ahead_s: float, level: str, words: str) -> None:
    """SuperOffice's time is the Date header of the answer."""
    date = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
    _, clock = await examined(answer(b"", f"Date: {date}", status="401 Unauthorized"))

    assert clock.level == level
    assert words in clock.found


@pytest.mark.parametrize("date", ["soon", "Wed, 99 Nov 99999 22:00:00 GMT"])
async def test_an_invalid_date_is_not_compared(date: str) -> None:
    """A server may send no date, or an invalid one."""
    assert len(await examined(answer(b"", f"Date: {date}", status="401 Unauthorized"))) == 1


async def reach(url: str, timeout_s: float = 10) -> list[Finding]:
    """Return the findings about an address."""
    async with PooledTransport(DIRECT) as network:
        return await servers.reach(network, url, timeout_s=timeout_s)


async def last_finding(url: str, timeout_s: float = 10) -> Finding:
    """Return the last finding about an address."""
    return (await asyncio.create_task(reach(url, timeout_s)))[-1]


async def test_a_server_that_listens_is_reached() -> None:
    """Doctor connects to it and sends nothing."""
    async with faulty_rest() as side:
        findings = await reach(side.url)
        assert side.calls == 0

    assert [(finding.check, finding.level) for finding in findings] == [
        ("name", "ok"),
        ("connection", "ok"),
    ]
    assert findings[0].found == "127.0.0.1 is an address"


async def test_a_name_is_looked_up() -> None:
    """The finding lists all addresses of the name."""
    async with faulty_rest() as side:
        url = side.url.replace("127.0.0.1", "localhost")
        findings = await reach(url)

    assert "127.0.0.1" in findings[0].found
    assert findings[0].found.startswith("localhost is at ")


async def test_an_unknown_name_or_a_dns_timeout_ends_the_examination(
    monkeypatch: pytest.MonkeyPatch, dns: FakeDNS
) -> None:
    """Without an address there is nothing to connect to."""
    dns.answers["crm.invalid"] = []
    finding = await last_finding("http://crm.invalid", 0.5)
    assert finding.found == "DNS does not answer about crm.invalid"

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert (await last_finding("http://crm2.invalid")).found == "crm2.invalid is unknown"


async def test_a_closed_port_is_a_finding() -> None:
    """The finding has the number of the port."""
    port = free_port()

    assert (
        await last_finding(f"http://127.0.0.1:{port}")
    ).found == f"nothing listens at 127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("failure", "words"), [(TimeoutError(), "does not answer"), (OSError(), "cannot be reached")]
)
async def test_an_unreachable_address_is_a_finding(
    failure: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall drops the packets, or there is no route."""

    async def fails(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(PooledTransport, "connect", fails)

    assert words in (await last_finding("http://127.0.0.1:1")).found


async def test_a_server_without_tls_is_a_finding() -> None:
    """The scheme of the URL may be wrong."""

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        finding = await last_finding(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert (finding.check, finding.level) == ("TLS", "fail")
    assert "does not speak TLS" in finding.found


def make_certificate(folder: Path, days: int) -> None:
    """Write a self-signed certificate for the loopback address into `rest.pem`."""
    if shutil.which("openssl") is None:  # pragma: no cover - the gate installs it
        pytest.skip("openssl makes the certificates and is not installed")
    openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout rest.key "
        f"-out rest.pem -days {days} -subj /O=Us -addext subjectAltName=IP:127.0.0.1",
    )


@asynccontextmanager
async def certified(folder: Path, days: int) -> AsyncIterator[str]:
    """Run a fake REST API with its own certificate, in `rest.pem`."""
    make_certificate(folder, days)
    async with faulty_rest(tls=serving(folder)) as side:
        yield side.url


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (10, "warn")])
async def test_a_certificate_is_a_finding(
    days: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding has the issuer and the days left; few days are a warning."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
    async with certified(tmp_path, days) as url:
        finding = await last_finding(url)

    assert finding.level == level
    assert re.fullmatch(
        rf"TLSv1\.\d, certificate by Us, valid for ({days}|{days - 1}) days", finding.found
    )


async def test_doctor_trusts_the_gateways_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call to the REST API uses the same certificate authorities as the gateway."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
    async with certified(tmp_path, 30) as url, PooledTransport(DIRECT) as network:
        finding, *_ = await servers.answer(network, url, timeout_s=5)

    assert "HTTP/1.1 200, application/json" in finding.found


async def test_a_refused_certificate_is_explained(tmp_path: Path) -> None:
    """The advice names the setting for a private authority."""
    async with certified(tmp_path, 30) as url:
        finding = await last_finding(url)

    assert finding.level == "fail"
    assert "the certificate is not trusted: self" in finding.found
    assert "GATEWAY_UPSTREAM_CA_FILE" in str(finding.advice)


class Doctor:
    """Runs the command as from a shell."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return its exit code and its output."""
        code = main(["doctor", "--port", "0", *arguments])
        return code, "".join(self._capsys.readouterr())

    async def about(self, url: str, *arguments: str) -> tuple[int, str]:
        """Run it in a thread, next to a server in this process."""
        return await asyncio.to_thread(self, "--upstream-url", url, *arguments)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Return the command, without a URL in the environment."""
    monkeypatch.delenv("GATEWAY_UPSTREAM_URL", raising=False)
    return Doctor(capsys)


async def test_each_trusted_document_that_cannot_run_is_a_finding(
    doctor: Doctor, tmp_path: Path
) -> None:
    """The manifest may be of an older schema; doctor says nothing about a good one."""
    manifest = tmp_path / "documents.json"
    old = {f"d{n}": f"{{ xyzzy{n} }}" for n in range(6)}
    manifest.write_text(json.dumps({**old, "b": "{ __typename }"}))
    (tmp_path / "good.json").write_text('{"b": "{ __typename }"}')
    async with faulty_rest(REFUSED) as side:
        code, printed = await doctor.about(side.url, f"--trusted-documents={manifest}")
        _, good = await doctor.about(side.url, f"--trusted-documents={tmp_path}/good.json")

    assert code == 0
    for n in range(6):
        assert f"d{n} cannot run: Cannot query field 'xyzzy{n}'" in printed
    assert "b cannot run" not in printed
    assert "/schema.graphql" in printed
    assert "cannot run" not in good


@pytest.fixture
def demanding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demanding]:
    """Return a function that runs a server which requires a client certificate."""
    make_certificate(tmp_path, 30)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
    context = serving(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "rest.pem")

    def refuse(listener: socket.socket) -> None:
        with listener.accept()[0] as connection, contextlib.suppress(OSError):
            # asyncio would reset the connection, and the client might never receive the alert.
            with contextlib.suppress(ssl.SSLError):
                context.wrap_socket(connection.dup(), server_side=True)
            connection.shutdown(socket.SHUT_WR)
            deque(iter(lambda: connection.recv(10_000), b""), maxlen=0)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run(version: ssl.TLSVersion, connections: int) -> str:
            context.maximum_version = version
            for _ in range(connections):
                thread = threading.Thread(target=refuse, args=(listener,))
                thread.start()
                threads.append(thread)
            return f"https://127.0.0.1:{listener.getsockname()[1]}"

        threads: list[threading.Thread] = []
        yield run
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_certificate_is_a_finding(
    doctor: Doctor, demanding: Demanding, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """With TLS 1.3 the refusal comes after the handshake."""
    (other := tmp_path / "other").mkdir()
    make_certificate(other, 30)
    flags = (f"--upstream-client-cert={other}/rest.pem", f"--upstream-client-key={other}/rest.key")
    connections = 1 if version is ssl.TLSVersion.TLSv1_2 else 2
    code, missing = await doctor.about(demanding(version, connections))
    _, rejected = await doctor.about(demanding(version, connections), *flags)

    check = "TLS     " if connections == 1 else "REST API"
    assert code == 1
    assert re.search(rf"\n  fail  {check} +127.* refuses the TLS connection: .*\n.*_CERT", missing)
    assert re.search(rf"\n  fail  {check} +127.* rejects the client certificate: .*ca", rejected)


async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection after the first byte."""
    await reader.read(1)
    await resets()(reader, writer)


async def sends_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the client disconnects."""
    await reader.read()
    writer.close()


async def warns(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the first bytes with a TLS alert: internal error."""
    await reader.read(1)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x50")
    writer.close()


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (breaks, "closes the connection"),
        (sends_nothing, "does not answer"),
        (warns, "breaks the TLS connection: tlsv1 alert internal error"),
    ],
)
async def test_a_failed_tls_handshake_is_a_finding(play: Any, words: str) -> None:
    """Each way to fail has its own sentence."""
    timeout_s = 0.5 if play is sends_nothing else 10
    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finding = await last_finding(url, timeout_s)

    assert (finding.check, finding.level) == ("TLS", "fail")
    assert words in finding.found


@pytest.mark.parametrize("sent", [b":many\r\n", b"SSH-2.0\r\n", b"$x\r\n", b"-ERR no\r\n", b""])
async def test_a_server_that_is_not_redis_is_a_finding(sent: bytes) -> None:
    """The server's answer is not valid for the Redis client."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(sent)
        writer.close()

    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        finding = await asyncio.create_task(machine.shared_cache(f"redis://127.0.0.1:{port}"))

    assert finding.level == "fail"
    assert finding.found.startswith("cannot be used: ")


async def test_a_redis_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that answers is ok; slow, silent and refusing ones are not."""
    monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 60_000)
    with redis_server(tmp_path) as server:
        well = await machine.shared_cache(server.url)
        monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 0)
        slow = await machine.shared_cache(server.url)
        monkeypatch.setattr(redis, "_TRIAL_S", 0.1)
        server.pause()
        paused = await asyncio.create_task(machine.shared_cache(server.url))
        server.resume()
        user = server.url.replace("//", "//nobody:hunter2@")
        monkeypatch.setattr(redis, "_TRIAL_S", 2)
        foreign = await asyncio.create_task(machine.shared_cache(user))

    assert [finding.level for finding in (well, slow, paused, foreign)] == [
        "ok",
        "warn",
        "fail",
        "fail",
    ]
    assert paused.found == f"{server.url} does not answer"
    assert foreign.found == "the credentials are not accepted"
    assert "hunter2" not in f"{well}{slow}{paused}{foreign}"


async def test_no_problem_is_exit_code_0(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output has each setting's value and source, but no secrets."""
    monkeypatch.setenv("GATEWAY_CACHE_SECRET", "hunter2" * 5)
    monkeypatch.setenv("GATEWAY_CACHE_TTL", "7")
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, "--graphiql", "off")

    assert code == 0
    assert shown.startswith("Findings\n")
    assert re.search(r"GATEWAY_CACHE_TTL +7\n", shown)
    assert re.search(r"GATEWAY_GRAPHIQL +off +\(flag\)\n", shown)
    assert "GATEWAY_WORKERS" not in shown
    assert re.search(r"GATEWAY_CACHE_SECRET +\*{8}\n", shown)
    assert re.search(r"\n  ok    REST API +HTTP/1.1 401", shown)
    assert "hunter2" not in shown


async def test_defaults_are_shown_with_all(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache URL has its default value; a secret drawn at the start counts as not set."""
    monkeypatch.setenv("GATEWAY_WEBHOOK_SECRET", "//[what-is-no-address")
    for name in ("GATEWAY_CACHE_URL", "GATEWAY_CACHE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    async with faulty_rest(REFUSED) as side:
        _, shown = await doctor.about(side.url, "--all")

    assert re.search(r"GATEWAY_CACHE_URL +memory://\n", shown)
    assert re.search(r"GATEWAY_CACHE_MAX_BYTES +256MiB\n", shown)
    assert re.search(r"GATEWAY_CACHE_SECRET +-\n", shown)
    assert re.search(r"GATEWAY_WEBHOOK_SECRET +\*{8}\n", shown)


async def test_an_empty_flag_overrides_the_environment(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor shows the value in use, as for `"$UNSET"` in a script."""
    monkeypatch.setenv("GATEWAY_HIDDEN_FIELDS", "ChatSession.sessionKey")
    async with faulty_rest(REFUSED) as side:
        _, shown = await doctor.about(side.url, "--hidden-fields", "")

    assert re.search(r"GATEWAY_HIDDEN_FIELDS +- +\(flag\)\n", shown)


async def test_an_error_that_prevents_a_start_is_exit_code_2(doctor: Doctor) -> None:
    """The error is the one that the gateway would print."""
    code, shown = await doctor.about("http://127.0.0.1:1", "--hidden-fields", "Person.nope")

    assert code == 2
    assert "--hidden-fields Person.nope" in shown


async def test_the_warnings_of_the_settings_are_findings(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor reports the warnings that the gateway logs when it starts."""
    monkeypatch.delenv("GATEWAY_CACHE_SECRET", raising=False)
    closed_url = f"http://127.0.0.1:{free_port()}"
    _, shown = await doctor.about(
        closed_url, "--cache-url", "unix://gw:hunter2@/none/redis.sock?db=1"
    )

    assert "\n  warn  settings    GATEWAY_CACHE_SECRET is not set" in shown
    assert re.search(r"CACHE_URL +unix:///none/redis.sock", shown)
    assert "hunter2" not in shown


async def test_a_problem_is_exit_code_1(doctor: Doctor) -> None:
    """Advice has its own line, and checks that depend on a failed one are skipped."""
    code, shown = await doctor.about(f"http://127.0.0.1:{free_port()}", "--header", "a: b")

    assert code == 1
    assert re.search(r"\n  fail  connection +nothing listens at .*\n +→ check the port", shown)
    assert "REST API" not in shown


async def test_the_findings_can_be_json(doctor: Doctor, tmp_path: Path) -> None:
    """The JSON has the same settings and findings as the text."""
    with redis_server(tmp_path) as server:
        cache = server.url.replace("//", "//default:hunter2@")
        async with faulty_rest(REFUSED) as side:
            code, shown = await doctor.about(side.url, "--json", "--cache-url", cache)
    report = json.loads(shown)

    assert code == 0
    assert report["settings"]["cache_url"] == {
        "value": f"redis://127.0.0.1:{server.port}/0",
        "source": "flag",
    }
    assert {finding["check"] for finding in report["findings"]} > {"port", "Redis", "REST API"}
    assert "hunter2" not in shown


async def test_a_real_call_is_made_for_a_caller(doctor: Doctor) -> None:
    """Doctor reports the size of the answer, and none of its content."""
    async with faulty_rest(REFUSED, answer()) as side:
        code, shown = await doctor.about(side.url, "--header", "Authorization: Basic aHVudGVyMg==")
        assert b"aHVudGVyMg==" in side.requests[1]

    assert code == 0
    assert re.search(r"\n  ok    call +1 sessions, \d+ bytes, in \d+ ms", shown)
    assert "Ada" not in shown
    assert "aHVudGVyMg==" not in shown


@pytest.mark.parametrize(
    ("time", "flags", "level", "words"),
    [
        ("2026-11-23T12:00:00", [], "warn", "have no zone: waitSeconds is null"),
        ("2026-11-23T12:00:00", ["--time-zone", "Europe/Oslo"], "ok", "is Europe/Oslo"),
        ("2026-11-23T12:00:00", ["--so-time-zone", ZONED], "warn", f"ignores SO-TimeZone: {ZONED}"),
        ("2026-11-23T12:00:00", ["--so-time-zone", "UTC"], "warn", "no zone with SO-TimeZone: UTC"),
        ("2026-11-23T12:00:00Z", [], "ok", "have a zone\n"),
        ("2026-11-23T12:00:00Z", ["--so-time-zone", ZONED], "ok", f"as SO-TimeZone: {ZONED}"),
        ("0001-01-01T00:00:00", [], "ok", "no session has a time"),
    ],
)
async def test_times_with_and_without_a_zone_are_explained(
    doctor: Doctor, time: str, flags: list[str], level: str, words: str
) -> None:
    """The finding names the header or setting that is the cause, or the missing one."""
    sessions = json.dumps([{"ChatSessionId": 1, "WhenRequested": time}]).encode()
    async with faulty_rest(REFUSED, answer(sessions)) as side:
        _, shown = await doctor.about(side.url, "--header", "Authorization: Basic YTpi", *flags)

    assert re.search(rf"\n  {level:4}  times +.*{words}", shown)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Authorization: Negotiate aHVudGVyMg==", "Basic, Bearer or SoTicket"),
        ("Accept-Language: nb", "no credentials"),
        ("Authorization: Basic \udcff", "UTF-8"),
    ],
)
async def test_invalid_credentials_are_explained(doctor: Doctor, header: str, words: str) -> None:
    """No call is made with invalid credentials."""
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, "--header", header)
        assert side.calls == 1

    assert code == 1
    assert re.search(rf"\n  fail  call +.*{words}", shown)
    assert "aHVudGVyMg==" not in shown


async def test_a_failed_call_is_reported_with_its_code(doctor: Doctor) -> None:
    """The code is the one that clients would get."""
    header = ("--header", "Authorization: Basic YTpi", "--app-token", "token")
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, *header)
        assert b"so-apptoken: token" in side.requests[1].lower()

    assert code == 1
    assert re.search(r"\n  fail  call +UNAUTHENTICATED: SuperOffice does not accept", shown)


def test_levels_have_colours_on_a_terminal() -> None:
    """A failure is red."""
    text = command.findings_text([Finding("port", "fail", "taken")], is_terminal=True)

    assert "\x1b[31mfail\x1b[0m  port  taken" in text


def test_a_tenant_needs_an_environment(doctor: Doctor) -> None:
    """A tenant without an environment is an error in the command line."""
    assert doctor("--upstream-url", "http://rest.invalid", "--tenant", "Cust1") == (
        2,
        "gateway: --tenant needs GATEWAY_ENVIRONMENT\n",
    )


@pytest.fixture
async def online(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """Play SuperOffice Online; the answer of its state service can be changed."""
    state: dict[str, Any] = {"ContextIdentifier": "Cust1", "State": "Running", "IsRunning": True}
    state |= {"ValidUntil": "2999-01-01T00:00:00Z", "Api": "https://sod1.superoffice.com/Cust1/api"}

    class Service(httpx.AsyncBaseTransport):
        route = None

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            known = request.url.path == "/api/state/Cust1"
            return httpx.Response(200 if known else 404, json=state)

    async def reach(_: PooledTransport, url: str, **__: Any) -> list[Finding]:
        return [Finding("name", "ok", f"{httpx.URL(url).host} is here")]

    async def answer(_: PooledTransport, url: str, **__: Any) -> list[Finding]:
        return [Finding("REST API", "ok", f"{url} asks for credentials")]

    monkeypatch.setattr(transport, "PooledTransport", lambda *_: Service())
    monkeypatch.setattr(servers, "reach", reach)
    monkeypatch.setattr(servers, "answer", answer)
    yield state


@pytest.mark.parametrize(
    ("name", "change", "code", "words"),
    [
        ("cust1", {}, 0, "Cust1 is Running, at sod1.superoffice.com"),
        ("Cust1", {"State": "Suspended", "IsRunning": False}, 1, "its state is Suspended"),
        (
            "Cust1",
            {"Api": "https://evil.example/Cust1/api"},
            1,
            "'https://evil.example/Cust1/api' is in no domain of GATEWAY_TENANT_HOSTS",
        ),
        ("Cust2", {}, 1, "Cust2: There is no such tenant."),
        ("Cust3", {}, 1, "Cust3 is not served"),
        ("https://evil.example", {}, 1, "is not a tenant's name"),
    ],
)
async def test_a_tenant_is_located_as_the_gateway_locates_it(
    doctor: Doctor, online: dict[str, Any], name: str, change: Any, code: int, words: str
) -> None:
    """Doctor locates the tenant first, then examines the tenant's own host."""
    online |= change
    flags = ("--environment", "sod", "--tenants", "Cust1,Cust2")
    exit_code, shown = await asyncio.to_thread(doctor, *flags, "--tenant", name)

    assert exit_code == code
    assert words in shown
    assert ("https://sod1.superoffice.com/Cust1 asks for credentials" in shown) is (code == 0)


async def test_a_tenant_can_be_named_by_its_header(doctor: Doctor, online: dict[str, Any]) -> None:
    """As in `gateway query`, and in every request."""
    flags = ("--environment", "sod", "--header", "X-Tenant: Cust2")
    code, shown = await asyncio.to_thread(doctor, *flags)

    assert code == 1
    assert "Cust2: There is no such tenant." in shown


async def test_without_a_tenant_only_the_state_service_is_examined(
    doctor: Doctor, online: dict[str, Any]
) -> None:
    """It is also asked for each tenant that is served; the tenants' hosts are not called."""
    code, shown = await asyncio.to_thread(doctor, "--environment", "sod", "--tenants=Cust1,Cust2")

    assert code == 1
    assert "sod.superoffice.com is here" in shown
    assert "Cust1 is Running, at sod1.superoffice.com" in shown
    assert "Cust2: There is no such tenant." in shown
    assert "asks for credentials" not in shown


async def test_a_header_without_a_tenant_is_not_ignored(
    doctor: Doctor, online: dict[str, Any]
) -> None:
    """Credentials are those of one tenant: the call is not made, and the command fails."""
    flags = ("--environment", "sod", "--header", "Authorization: Bearer hunter2")
    code, shown = await asyncio.to_thread(doctor, *flags)

    assert code == 1
    assert "not made: it needs a tenant" in shown
    assert "hunter2" not in shown
