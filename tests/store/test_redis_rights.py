"""The rights that Redis' user needs, and reports of missing ones."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from gateway.commands.doctor import machine
from gateway.store import redis as store
from gateway.store.commands import NAMESPACE
from tests.fake_dns import FakeDNS
from tests.ports import free_port
from tests.store.redis_server import RedisServer, redis_server, wait_for_redis
from tests.upstream.faulty import DATA, ask, faulty_rest, gateway_to
from tests.upstream.test_unreachable import THIS_HOST, Certify, certify, expired, needs_openssl
from tests.waiting import until

__all__ = ["certify", "expired"]

pytestmark = pytest.mark.socket

KEYS, CHANNELS = f"~{NAMESPACE}:*", f"&{NAMESPACE}:*"
COMMANDS = [
    "+get",
    "+set",
    "+del",
    "+pttl",
    "+time",
    "+eval",
    "+publish",
    "+subscribe",
    "+ping",
]
RULES = [KEYS, CHANNELS, *COMMANDS]


@pytest.fixture(autouse=True)
def long_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengthen the timeouts of Redis, as the machine may be slow."""
    wait_for_redis(monkeypatch)
    monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 60_000)


def user_url(server: RedisServer, rules: list[str]) -> str:
    """Create a user with exactly these rights, and return its URL."""
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL", "SETUSER", "gw", "reset", "on", ">hunter2", *rules)
    return server.url.replace("//", "//gw:hunter2@")


async def test_doctor_names_each_right_that_is_missing(server: RedisServer) -> None:
    """`gateway doctor` names each missing right by the rule of the ACL."""
    findings = {
        rule: await machine.shared_cache(user_url(server, [r for r in RULES if r != rule]))
        for rule in RULES
    }
    complete = await machine.shared_cache(user_url(server, RULES))

    assert complete.level == "ok"
    for rule, finding in findings.items():
        assert finding.level == "fail"
        assert (finding.advice or "").endswith(f"these rights: {rule}")


async def test_a_user_with_exactly_these_rights_works(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """With these rights gateways share answers and news, and log no warning."""
    settings = {"cache_url": user_url(server, RULES), "cache_secret": "s" * 32, "upstream_rate": 9}
    async with (
        faulty_rest() as rest,
        gateway_to(rest.url, **settings) as one,
        gateway_to(rest.url, **settings) as other,
    ):
        answers = [await ask(one), await ask(other)]
        with redis.Redis(port=server.port) as client:
            await until(lambda: client.pubsub_numsub(f"{NAMESPACE}:changed")[0][1] == 2)

    assert [answer.json() for answer in answers] == [{"data": DATA}] * 2
    assert rest.calls == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("missing", [CHANNELS, "+subscribe", "+set", "+eval"])
async def test_a_missing_right_is_logged_once_at_the_start(
    server: RedisServer, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the rule, without the password, and no request fails."""
    url = user_url(server, [rule for rule in RULES if rule != missing])
    async with (
        faulty_rest() as rest,
        gateway_to(rest.url, cache_url=url, cache_secret="s" * 32) as gateway,
    ):
        await until(lambda: "its ACL needs" in caplog.text)
        answer = await ask(gateway)

    assert answer.json() == {"data": DATA}
    messages = [record.getMessage() for record in caplog.records if "ACL" in record.getMessage()]
    assert messages == [f"The user in GATEWAY_CACHE_URL lacks a right: its ACL needs {missing}"]
    assert "Webhooks from other processes do not arrive here" not in caplog.text
    assert "hunter2" not in caplog.text


def enable_tls(client: "redis.Redis") -> int:
    """Make a Redis listen with TLS, and return the free port."""
    while True:
        port = free_port()
        with contextlib.suppress(redis.ResponseError):
            client.config_set("tls-port", port)
            return port


@contextlib.contextmanager
def redis_with_tls(folder: Path) -> Iterator[tuple["redis.Redis", str]]:
    """Run a Redis with the certificate in `rest.pem`; yield a client without TLS, and its URL."""
    pem, key = str(folder / "rest.pem"), str(folder / "rest.key")
    options = ["--tls-port", "0", "--tls-cert-file", pem, "--tls-key-file", key]
    options += ["--tls-ca-cert-file", pem, "--tls-auth-clients", "no", "--unixsocket", "redis.sock"]
    with redis_server(folder, *options) as server, redis.Redis(port=server.port) as client:
        yield client, f"rediss://:hunter2@127.0.0.1:{enable_tls(client)}?"


@needs_openssl
async def test_an_untrusted_certificate_is_reported(tmp_path: Path, certify: Certify) -> None:
    """An untrusted certificate is reported unless its authority is set."""
    certify(THIS_HOST)
    with redis_with_tls(tmp_path) as (_, url):
        secure = url.replace(":hunter2@", "")
        untrusted = await asyncio.create_task(machine.shared_cache(secure))
        trusted = await machine.shared_cache(f"{secure}ssl_ca_certs={tmp_path}/rest.pem")
        local = await machine.shared_cache(f"unix://{tmp_path}/redis.sock")

    assert untrusted.found == "the certificate is not trusted: self-signed certificate"
    assert "set ?ssl_ca_certs= of GATEWAY_CACHE_URL" in (untrusted.advice or "")
    assert (trusted.level, local.level) == ("ok", "ok")


@needs_openssl
async def test_redis_is_found_by_its_name(tmp_path: Path, certify: Certify, dns: FakeDNS) -> None:
    """Its certificate is for the name, and only one of its addresses may work."""
    certify("DNS:redis.test")
    dns.answers["redis.test"] = ["127.0.0.2", "127.0.0.1"]
    with redis_with_tls(tmp_path) as (_, url):
        secure = url.replace(":hunter2@127.0.0.1", "redis.test")
        found = await machine.shared_cache(f"{secure}ssl_ca_certs={tmp_path}/rest.pem")

    assert found.level == "ok"


async def problem_of(url: str) -> str:
    """Return what doctor says about a Redis that does not work."""
    finding = await asyncio.create_task(machine.shared_cache(url))
    assert finding.level == "fail"
    assert "hunter2" not in f"{finding}"
    return f"{finding.found} → {finding.advice}"


@needs_openssl
async def test_an_expired_certificate_is_reported(tmp_path: Path, expired: ssl.SSLContext) -> None:
    """The authority is trusted, so advice about it would mislead."""
    with redis_with_tls(tmp_path) as (_, url):
        problem = await problem_of(f"{url}ssl_ca_certs={tmp_path}/rest.pem")

    assert problem.startswith("the certificate has expired → renew it")


@needs_openssl
async def test_each_problem_has_its_own_words(
    tmp_path: Path, certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those about TLS are the same as for SuperOffice, with the settings of Redis."""
    certify("DNS:elsewhere.example")
    with redis_with_tls(tmp_path) as (client, url):
        url += f"ssl_ca_certs={tmp_path}/rest.pem"
        other_name = await problem_of(url)
        client.config_set("tls-auth-clients", "yes")
        client.config_set("tls-protocols", "TLSv1.2")  # otherwise the alert can be lost
        url += "&ssl_check_hostname=false"
        no_certificate = await problem_of(url)
        plain_port = client.connection_pool.connection_kwargs["port"]
        monkeypatch.setattr(store, "_TRIAL_S", 0.1)
        no_tls = await problem_of(f"rediss://127.0.0.1:{plain_port}")
    no_listener = await problem_of(f"unix://{tmp_path}/redis.sock")

    assert other_name.startswith("the certificate is for another host: ip address mismatch")
    assert "refuses the TLS connection: sslv3 alert handshake failure" in no_certificate
    assert no_certificate.endswith("set or check ?ssl_certfile= of GATEWAY_CACHE_URL")
    assert no_tls.startswith(f"rediss://127.0.0.1:{plain_port} does not answer → check the port")
    assert no_listener.startswith(f"nothing listens at unix://{tmp_path}/redis.sock → check the")
