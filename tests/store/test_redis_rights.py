"""What a user of a real Redis must be allowed, and how it is told what is missing."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from gateway.commands.doctor import machine
from gateway.store.commands import NAMESPACE
from tests.ports import free_port
from tests.store.redis_server import RedisServer, redis_server, wait_for_redis
from tests.upstream.faulty import DATA, ask, faulty_rest, gateway_to
from tests.upstream.test_unreachable import needs_openssl, openssl
from tests.waiting import until

pytestmark = pytest.mark.socket

KEYS, CHANNELS = f"~{NAMESPACE}:*", f"&{NAMESPACE}:*"
COMMANDS = [
    "+get",
    "+set",
    "+del",
    "+pttl",
    "+time",
    "+eval",
    "+evalsha",
    "+publish",
    "+subscribe",
    "+ping",
]
RULES = [KEYS, CHANNELS, *COMMANDS]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a Redis be well however long it takes on a slow machine."""
    wait_for_redis(monkeypatch)
    monkeypatch.setattr(machine, "_REDIS_SLOW_MS", 60_000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis."""
    with redis_server(tmp_path) as running:
        yield running


def user(server: RedisServer, rules: list[str]) -> str:
    """Give a user exactly these rights; return its URL."""
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL", "SETUSER", "gw", "reset", "on", ">hunter2", *rules)
    return server.url.replace("//", "//gw:hunter2@")


async def test_doctor_names_each_right_that_is_missing(server: RedisServer) -> None:
    """By the rule that the ACL needs; with all of them it is well."""
    found = {
        rule: await machine.shared_cache(user(server, [r for r in RULES if r != rule]))
        for rule in RULES
    }
    well = await machine.shared_cache(user(server, RULES))

    assert well.level == "ok"
    for rule, finding in found.items():
        assert finding.level == "fail"
        assert (finding.advice or "").endswith(f"these rights: {rule}")


async def test_a_user_with_exactly_these_rights_is_enough(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Gateways share what they have, and news, without a word."""
    settings = {"cache_url": user(server, RULES), "cache_secret": "s" * 32, "upstream_rate": 9}
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


@pytest.mark.parametrize("missing", [CHANNELS, "+subscribe", "+set", "+evalsha"])
async def test_a_right_that_is_missing_is_told_once_at_the_start(
    server: RedisServer, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By its rule, without the password; no request fails."""
    url = user(server, [rule for rule in RULES if rule != missing])
    async with (
        faulty_rest() as rest,
        gateway_to(rest.url, cache_url=url, cache_secret="s" * 32) as gateway,
    ):
        await until(lambda: "its ACL needs" in caplog.text)
        answer = await ask(gateway)

    assert answer.json() == {"data": DATA}
    told = [record.getMessage() for record in caplog.records if "ACL" in record.getMessage()]
    assert told == [f"The user in GATEWAY_CACHE_URL lacks a right: its ACL needs {missing}"]
    assert "Webhooks that reach other processes are not seen here" not in caplog.text
    assert "hunter2" not in caplog.text


def listening_with_tls(client: "redis.Redis") -> int:
    """Make a Redis listen with TLS, on a port that nobody has taken meanwhile."""
    while True:
        port = free_port()
        with contextlib.suppress(redis.ResponseError):
            client.config_set("tls-port", port)
            return port


@needs_openssl
async def test_a_certificate_that_is_not_trusted_is_called_one(tmp_path: Path) -> None:
    """Unless its authority is named; a socket in the file system needs none."""
    openssl(
        tmp_path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout redis.key "
        "-out redis.pem -days 2 -subj /CN=redis -addext subjectAltName=IP:127.0.0.1",
    )
    pem, key = str(tmp_path / "redis.pem"), str(tmp_path / "redis.key")
    options = ["--tls-port", "0", "--tls-cert-file", pem, "--tls-key-file", key]
    options += ["--tls-ca-cert-file", pem, "--tls-auth-clients", "no", "--unixsocket", "redis.sock"]
    with redis_server(tmp_path, *options) as server:
        with redis.Redis(port=server.port) as client:
            tls_port = listening_with_tls(client)
        secure = f"rediss://127.0.0.1:{tls_port}"
        foreign = await asyncio.create_task(machine.shared_cache(secure))
        known = await machine.shared_cache(f"{secure}?ssl_ca_certs={pem}")
        local = await machine.shared_cache(f"unix://{tmp_path}/redis.sock")

    assert foreign.found == "the certificate is not trusted: self-signed certificate"
    assert "ssl_ca_certs" in (foreign.advice or "")
    assert (known.level, local.level) == ("ok", "ok")
