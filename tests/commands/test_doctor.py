"""`gateway doctor` over real sockets: what it finds, and what it says."""

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
from gateway.commands.doctor import command, examination, machine, servers
from gateway.commands.doctor.finding import Finding
from gateway.settings import Settings
from gateway.upstream.client import PATH
from gateway.upstream.route import Route
from gateway.upstream.transport import PooledTransport
from tests.ports import free_port
from tests.store.redis_server import redis_server
from tests.upstream.faulty import Play, answer, closes, drips, faulty_rest, head, resets, stalls
from tests.upstream.test_unreachable import openssl, serving

pytestmark = pytest.mark.socket

DIRECT = Settings(upstream_url="http://127.0.0.1", upstream_connect_timeout=10)
ZONED = "UTC, includeTZOffset"
REFUSED = answer(b"{}", status="401 Unauthorized")

Demanding = Callable[[ssl.TLSVersion, int], str]
"""Takes so many connections, up to a version of TLS; gives the address."""


async def judged(play: Play, timeout_s: float = 10) -> list[Finding]:
    """Return what is found of a REST side that answers so."""
    network = PooledTransport(DIRECT)
    async with faulty_rest(play) as side, network:
        found = await asyncio.create_task(
            servers.answer(network, f"{side.url}/crm", timeout_s=timeout_s)
        )
        assert side.calls == 1
        assert side.requests[0].startswith(f"GET /crm{PATH} ".encode())
        assert b"authorization" not in side.requests[0].lower()
    return found


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
async def test_an_answer_without_credentials_is_judged(play: Play, level: str, words: str) -> None:
    """401 is as it should be; of everything else it is said what it means."""
    finding = (await judged(play, 0.3 if "0.3" in words else 10))[0]

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
    """By the Date of the answer."""
    date = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
    _, clock = await judged(answer(b"", f"Date: {date}", status="401 Unauthorized"))

    assert clock.level == level
    assert words in clock.found


@pytest.mark.parametrize("date", ["soon", "Wed, 99 Nov 99999 22:00:00 GMT"])
async def test_a_date_that_is_none_is_not_compared(date: str) -> None:
    """A server need not have a clock."""
    assert len(await judged(answer(b"", f"Date: {date}", status="401 Unauthorized"))) == 1


async def reached(url: str, timeout_s: float = 10) -> Finding:
    """Return the last thing that is found of an address."""
    return (await asyncio.create_task(servers.reach(Route(DIRECT), url, timeout_s=timeout_s)))[-1]


async def test_a_server_that_listens_is_reached() -> None:
    """Nothing is sent to it."""
    async with faulty_rest() as side:
        found = await servers.reach(Route(DIRECT), side.url, timeout_s=10)
        assert side.calls == 0

    assert [(finding.check, finding.level) for finding in found] == [
        ("name", "ok"),
        ("connection", "ok"),
    ]
    assert found[0].found == "127.0.0.1 is an address"


async def test_a_name_is_looked_up() -> None:
    """All its addresses are told."""
    async with faulty_rest() as side:
        url = side.url.replace("127.0.0.1", "localhost")
        found = await servers.reach(Route(DIRECT), url, timeout_s=10)

    assert "127.0.0.1" in found[0].found
    assert found[0].found.startswith("localhost is at ")


async def test_a_name_that_is_unknown_or_no_answer_about_it_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nowhere to connect to."""

    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert (await reached("http://crm.invalid")).found == "crm.invalid is unknown"
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never, raising=False)
    found = await reached("http://crm.invalid", 0.5)
    assert found.found == "DNS does not answer about crm.invalid"


async def test_a_port_that_nobody_listens_on_is_told() -> None:
    """By its number, to be compared."""
    port = free_port()

    assert (
        await reached(f"http://127.0.0.1:{port}")
    ).found == f"nothing listens at 127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("failure", "words"), [(TimeoutError(), "does not answer"), (OSError(), "cannot be reached")]
)
async def test_an_address_that_nothing_comes_from_is_told(
    failure: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall swallows it, or no way leads there."""

    async def fails(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(asyncio, "open_connection", fails)

    assert words in (await reached("http://127.0.0.1:1")).found


async def test_a_server_without_tls_is_told_from_one_with() -> None:
    """The scheme may be wrong."""

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        found = await reached(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert (found.check, found.level) == ("TLS", "fail")
    assert "does not speak TLS" in found.found


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
    """Run a REST side with a certificate of its own, in `rest.pem`."""
    make_certificate(folder, days)
    async with faulty_rest(tls=serving(folder)) as side:
        yield side.url


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (10, "warn")])
async def test_a_certificate_is_told_of(
    days: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is, and how long it is good for: not for much longer is worth a warning."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
    async with certified(tmp_path, days) as url:
        found = await reached(url)

    assert found.level == level
    assert re.fullmatch(
        rf"TLSv1\.\d, certificate by Us, valid for ({days}|{days - 1}) days", found.found
    )


async def test_rest_is_asked_by_the_same_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the gateway would accept is accepted when it is asked for its answer."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rest.pem"))
    network = PooledTransport(DIRECT)
    async with certified(tmp_path, 30) as url, network:
        found, *_ = await servers.answer(network, url, timeout_s=5)

    assert "HTTP/1.1 200, application/json" in found.found


async def test_a_certificate_that_is_not_accepted_is_told_why(tmp_path: Path) -> None:
    """And what to do if its authority is one's own."""
    async with certified(tmp_path, 30) as url:
        found = await reached(url)

    assert found.level == "fail"
    assert "the certificate is not trusted: self" in found.found
    assert "GATEWAY_UPSTREAM_CA_FILE" in str(found.advice)


class Doctor:
    """The command, as one types it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return its exit code and what it shows."""
        code = main(["doctor", "--port", "0", *arguments])
        return code, "".join(self._capsys.readouterr())

    async def about(self, url: str, *arguments: str) -> tuple[int, str]:
        """Run it beside a server that runs here."""
        return await asyncio.to_thread(self, "--upstream-url", url, *arguments)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Return the command, with nothing in the environment."""
    monkeypatch.delenv("GATEWAY_UPSTREAM_URL", raising=False)
    return Doctor(capsys)


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
            # asyncio would reset the connection, and the client might never see the alert.
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
async def test_a_client_certificate_that_is_not_accepted_is_a_finding(
    doctor: Doctor, demanding: Demanding, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """With TLS 1.3, the handshake is over when the refusal comes."""
    (other := tmp_path / "other").mkdir()
    make_certificate(other, 30)
    given = (f"--upstream-client-cert={other}/rest.pem", f"--upstream-client-key={other}/rest.key")
    connections = 1 if version is ssl.TLSVersion.TLSv1_2 else 2
    code, missing = await doctor.about(demanding(version, connections))
    _, rejected = await doctor.about(demanding(version, connections), *given)

    check = "TLS     " if connections == 1 else "REST API"
    assert code == 1
    assert re.search(rf"\n  fail  {check} +127.* refuses the TLS connection: .*\n.*_CERT", missing)
    assert re.search(rf"\n  fail  {check} +127.* rejects the client certificate: .*ca", rejected)


async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection as soon as something comes."""
    await reader.read(1)
    await resets()(reader, writer)


async def sends_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the client gives up."""
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
async def test_a_tls_handshake_that_fails_is_a_finding(play: Any, words: str) -> None:
    """Whatever the server does, there is a sentence about it."""
    timeout_s = 0.5 if play is sends_nothing else 10
    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found = await reached(url, timeout_s)

    assert (found.check, found.level) == ("TLS", "fail")
    assert words in found.found


@pytest.mark.parametrize("sent", [b":many\r\n", b"SSH-2.0\r\n", b"$x\r\n", b"-ERR no\r\n", b""])
async def test_a_server_that_is_not_redis_is_a_finding(sent: bytes) -> None:
    """Its answer makes no sense to the client."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(sent)
        writer.close()

    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await asyncio.create_task(machine.shared_cache(f"redis://127.0.0.1:{port}"))

    assert found.level == "fail"
    assert found.found.startswith("cannot be used: ")


async def test_a_redis_that_answers_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is slow, or does not answer, is not."""
    monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 60_000)
    with redis_server(tmp_path) as server:
        well = await machine.shared_cache(server.url)
        monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 0)
        slow = await machine.shared_cache(server.url)
        monkeypatch.setattr(machine, "_REDIS_TIMEOUT_S", 0.1)
        server.pause()
        paused = await asyncio.create_task(machine.shared_cache(server.url))
        server.resume()
        user = server.url.replace("//", "//nobody:hunter2@")
        monkeypatch.setattr(machine, "_REDIS_TIMEOUT_S", 2)
        foreign = await asyncio.create_task(machine.shared_cache(user))

    assert [found.level for found in (well, slow, paused, foreign)] == [
        "ok",
        "warn",
        "fail",
        "fail",
    ]
    assert paused.found == "cannot be used: TimeoutError"
    assert foreign.found == "the credentials are not accepted"
    assert "hunter2" not in f"{well}{slow}{paused}{foreign}"


async def test_all_is_well(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0; each setting has its value and where it comes from, but for secrets."""
    monkeypatch.setenv("GATEWAY_CACHE_SECRET", "hunter2" * 5)
    monkeypatch.setenv("GATEWAY_CACHE_TTL", "7")
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, "--graphiql", "off")

    assert code == 0
    assert shown.startswith("Findings\n")
    assert re.search(r"GATEWAY_CACHE_TTL +7\n", shown)
    assert re.search(r"GATEWAY_GRAPHIQL +off  \(flag\)\n", shown)
    assert "GATEWAY_WORKERS" not in shown
    assert re.search(r"GATEWAY_CACHE_SECRET +\*{8}\n", shown)
    assert re.search(r"\n  ok    REST API +HTTP/1.1 401", shown)
    assert "hunter2" not in shown


async def test_what_nobody_has_set_is_shown_as_it_is(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Redis is none, and a secret that is drawn at the start is not set."""
    monkeypatch.setenv("GATEWAY_WEBHOOK_SECRET", "//[what-is-no-address")
    for name in ("GATEWAY_CACHE_URL", "GATEWAY_CACHE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    async with faulty_rest(REFUSED) as side:
        _, shown = await doctor.about(side.url, "--all")

    assert re.search(r"GATEWAY_CACHE_URL +memory://\n", shown)
    assert re.search(r"GATEWAY_CACHE_MAX_BYTES +256MiB\n", shown)
    assert re.search(r"GATEWAY_CACHE_SECRET +-\n", shown)
    assert re.search(r"GATEWAY_WEBHOOK_SECRET +\*{8}\n", shown)


async def test_what_keeps_the_gateway_from_starting_is_exit_code_2(doctor: Doctor) -> None:
    """With the words that it would be refused with."""
    code, shown = await doctor.about("http://127.0.0.1:1", "--hidden-fields", "Person.nope")

    assert code == 2
    assert "--hidden-fields Person.nope" in shown


async def test_the_warnings_of_the_settings_are_findings(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the ones that the gateway logs when it starts."""
    monkeypatch.delenv("GATEWAY_CACHE_SECRET", raising=False)
    nowhere = f"http://127.0.0.1:{free_port()}"
    _, shown = await doctor.about(nowhere, "--cache-url", "unix://gw:hunter2@/none/redis.sock?db=1")

    assert "\n  warn  settings    GATEWAY_CACHE_SECRET is not set" in shown
    assert re.search(r"CACHE_URL +unix:///none/redis.sock", shown)
    assert "hunter2" not in shown


async def test_what_is_wrong_is_exit_code_1(doctor: Doctor) -> None:
    """With what to do about it in a line of its own; what needs it is not looked at."""
    code, shown = await doctor.about(f"http://127.0.0.1:{free_port()}", "--header", "a: b")

    assert code == 1
    assert re.search(r"\n  fail  connection +nothing listens at .*\n +→ check the port", shown)
    assert "REST API" not in shown


async def test_scripts_read_json(doctor: Doctor, tmp_path: Path) -> None:
    """With the same in it."""
    with redis_server(tmp_path) as server:
        cache = server.url.replace("//", "//:hunter2@")
        async with faulty_rest(REFUSED) as side:
            code, shown = await doctor.about(side.url, "--json", "--cache-url", cache)
    told = json.loads(shown)

    assert code == 0
    assert told["settings"]["cache_url"] == {
        "value": f"redis://127.0.0.1:{server.port}",
        "source": "flag",
    }
    assert {finding["check"] for finding in told["findings"]} > {"port", "Redis", "REST API"}
    assert "hunter2" not in shown


async def test_a_real_call_is_made_for_a_caller(doctor: Doctor) -> None:
    """It tells how much came, and nothing of what."""
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
    """It names the header or the setting that is the reason, or the one that is missing."""
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
async def test_a_caller_who_is_none_is_told_why(doctor: Doctor, header: str, words: str) -> None:
    """No call is made for it."""
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, "--header", header)
        assert side.calls == 1

    assert code == 1
    assert re.search(rf"\n  fail  call +.*{words}", shown)
    assert "aHVudGVyMg==" not in shown


async def test_a_real_call_that_fails_is_told_by_its_code(doctor: Doctor) -> None:
    """As clients would see it."""
    header = ("--header", "Authorization: Basic YTpi", "--app-token", "token")
    async with faulty_rest(REFUSED) as side:
        code, shown = await doctor.about(side.url, *header)
        assert b"so-apptoken: token" in side.requests[1].lower()

    assert code == 1
    assert re.search(r"\n  fail  call +UNAUTHENTICATED: SuperOffice does not accept", shown)


def test_levels_have_colours_on_a_terminal() -> None:
    """Red is seen at once."""
    text = command.findings_text([Finding("port", "fail", "taken")], is_terminal=True)

    assert "\x1b[31mfail\x1b[0m  port  taken" in text


def test_a_tenant_needs_an_environment(doctor: Doctor) -> None:
    """That is a mistake of who types it."""
    assert doctor("--upstream-url", "http://rest.invalid", "--tenant", "Cust1") == (
        2,
        "gateway: --tenant needs GATEWAY_ENVIRONMENT\n",
    )


@pytest.fixture
async def online(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """Play SuperOffice Online; what its state service says can be changed."""
    state: dict[str, Any] = {"ContextIdentifier": "Cust1", "State": "Running", "IsRunning": True}
    state |= {"ValidUntil": "2999-01-01T00:00:00Z", "Api": "https://sod1.superoffice.com/Cust1/api"}

    class Service(httpx.AsyncBaseTransport):
        route = None

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            known = request.url.path == "/api/state/Cust1"
            return httpx.Response(200 if known else 404, json=state)

    async def reach(_: Route, url: str, **__: Any) -> list[Finding]:
        return [Finding("name", "ok", f"{httpx.URL(url).host} is here")]

    async def answer(_: Route, url: str, **__: Any) -> list[Finding]:
        return [Finding("REST API", "ok", f"{url} asks for credentials")]

    monkeypatch.setattr(examination, "PooledTransport", lambda *_: Service())
    monkeypatch.setattr(servers, "reach", reach)
    monkeypatch.setattr(servers, "answer", answer)
    yield state


@pytest.mark.parametrize(
    ("name", "change", "code", "words"),
    [
        ("cust1", {}, 0, "Cust1 is Running, at sod1.superoffice.com"),
        ("Cust1", {"State": "Suspended", "IsRunning": False}, 1, "its state is Suspended"),
        ("Cust1", {"Api": "https://evil.example/Cust1/api"}, 1, "that is not trusted"),
        ("Cust2", {}, 1, "There is no such tenant."),
        ("Cust3", {}, 1, "Cust3 is not served"),
        ("https://evil.example", {}, 1, "is not a tenant's name"),
    ],
)
async def test_a_tenant_is_found_as_the_gateway_finds_it(
    doctor: Doctor, online: dict[str, Any], name: str, change: Any, code: int, words: str
) -> None:
    """Its own host is looked at then."""
    online |= change
    given = ("--environment", "sod", "--tenants", "Cust1,Cust2", "--tenant", name)
    exit_code, shown = await asyncio.to_thread(doctor, *given)

    assert exit_code == code
    assert words in shown
    assert ("https://sod1.superoffice.com/Cust1 asks for credentials" in shown) is (code == 0)


async def test_without_a_tenant_the_state_service_is_looked_at(
    doctor: Doctor, online: dict[str, Any]
) -> None:
    """More is not known."""
    code, shown = await asyncio.to_thread(doctor, "--environment", "sod")

    assert code == 0
    assert "sod.superoffice.com is here" in shown
    assert "asks for credentials" not in shown
