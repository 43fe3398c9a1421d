"""Gateways that share a real Redis, with and without outages."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.demo.webhooks import signature as signed
from gateway.store import shared
from gateway.store.commands import LEASE_MS
from tests.store.redis_server import RedisServer, wait_for_redis
from tests.support import CREDENTIALS, Gateway
from tests.upstream.faulty import (
    BODY,
    DATA,
    QUERY,
    FaultyRest,
    answer,
    ask,
    faulty_rest,
    gateway_to,
)
from tests.waiting import until

pytestmark = pytest.mark.socket

SECRET = "s" * 32
_CHANNEL = "superoffice-chat-gateway:changed"


@pytest.fixture
async def rest() -> AsyncIterator[FaultyRest]:
    """Run a REST API that answers normally."""
    async with faulty_rest() as running:
        yield running


@pytest.fixture
def long_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengthen the timeouts of Redis."""
    wait_for_redis(monkeypatch)


@contextlib.asynccontextmanager
async def gateways(
    number: int, rest: FaultyRest, server: RedisServer, **settings: Any
) -> AsyncIterator[list[Gateway]]:
    """Run several gateways over one REST API and one Redis."""
    shared = {"cache_url": server.url, "cache_secret": SECRET, **settings}
    async with contextlib.AsyncExitStack() as stack:
        running = [gateway_to(rest.url, **shared) for _ in range(number)]
        yield [await stack.enter_async_context(gateway) for gateway in running]


@pytest.mark.usefixtures("long_timeouts")
async def test_three_gateways_share_one_rest_call(rest: FaultyRest, server: RedisServer) -> None:
    """Any number of requests at three gateways cost one REST call."""
    async with gateways(3, rest, server) as all_gateways:
        answers = await asyncio.gather(*(ask(gateway) for gateway in all_gateways * 20))

    assert all(answer.json()["data"] == DATA for answer in answers)
    assert rest.calls == 1


@pytest.mark.usefixtures("long_timeouts")
async def test_a_call_that_takes_longer_than_a_lease_is_made_once(
    rest: FaultyRest, server: RedisServer
) -> None:
    """The lease is renewed for as long as SuperOffice takes."""

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5 * LEASE_MS / 1000)
        writer.write(answer())
        await writer.drain()

    rest.play(slow)
    async with gateways(2, rest, server) as all_gateways:
        answers = await asyncio.gather(*(ask(gateway) for gateway in all_gateways))

    assert all(answer.json()["data"] == DATA for answer in answers)
    assert rest.calls == 1


@pytest.mark.usefixtures("long_timeouts")
async def test_fifty_callers_cost_fifty_rest_calls(rest: FaultyRest, server: RedisServer) -> None:
    """Each caller costs one REST call, at any of the gateways."""
    async with gateways(3, rest, server) as all_gateways:
        await asyncio.gather(
            *(ask(gateway, user=str(user)) for gateway in all_gateways for user in range(50))
        )

    assert rest.calls == 50


@pytest.mark.usefixtures("long_timeouts")
async def test_a_persisted_query_is_known_to_all_gateways(
    rest: FaultyRest, server: RedisServer
) -> None:
    """A query that was sent to one gateway is found by its hash at another."""
    sha256 = hashlib.sha256(QUERY.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256}}

    async def send(gateway: Gateway, **query: str) -> Any:
        body = {"extensions": extensions, **query}
        return (await gateway.http.post("/graphql", json=body, headers=CREDENTIALS)).json()

    async with gateways(2, rest, server) as (one, other):
        unknown = await send(other)
        await send(one, query=QUERY)
        known = [await send(other), await send(other)]

    assert unknown["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert known == [{"data": DATA}] * 2


@pytest.mark.usefixtures("long_timeouts")
async def test_redis_contains_no_plain_data(
    rest: FaultyRest, server: RedisServer, tmp_path: Path
) -> None:
    """Neither Redis' memory nor its dump contains a credential or a customer's text."""
    rest.play(answer(BODY.replace(b"Ada", b"Marked-customer")))
    headers = {"Authorization": "Bearer Marked-token", "SO-AppToken": "Marked-app-token"}
    async with gateways(1, rest, server) as (gateway,):
        query = '{ chatSessions(filter: {search: "Marked"}) { customerName } }'
        extensions = {
            "persistedQuery": {
                "version": 1,
                "sha256Hash": hashlib.sha256(query.encode()).hexdigest(),
            }
        }
        body = {"query": query, "extensions": extensions}
        response = await gateway.http.post("/graphql", json=body, headers=headers)
    assert "Marked-customer" in response.text

    with redis.Redis(port=server.port) as client:
        client.save()
        entries = [(key, client.get(key)) for key in client.scan_iter()]

    everything = repr(entries).encode() + (tmp_path / "dump.rdb").read_bytes()
    assert len(entries) == 2
    for secret in (b"Marked", b"customer", SECRET.encode(), b"chatSession"):
        assert secret not in everything


async def load(gateway: Gateway, answers: list[httpx.Response], stop: asyncio.Event) -> None:
    """Send requests as different users until the event is set."""
    while not stop.is_set():
        answers.append(await ask(gateway, user=f"{id(gateway)}-{len(answers)}"))
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("outage", ["paused", "killed", "restarted", "flapping", "full", "flushed"])
async def test_no_request_fails_because_of_redis(
    rest: FaultyRest,
    server: RedisServer,
    outage: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An outage under load fails no request, and each gateway logs it once."""
    if outage not in ("paused", "flapping"):
        wait_for_redis(monkeypatch)
    caplog.set_level(logging.INFO)
    answers: list[httpx.Response] = []
    stop = asyncio.Event()
    async with gateways(2, rest, server) as running:
        loads = [asyncio.create_task(load(gateway, answers, stop)) for gateway in running]
        await until(lambda: len(answers) > 5)
        await _outage(server, outage)
        before = len(answers)
        await until(lambda: len(answers) > before + 10)
        stop.set()
        await asyncio.gather(*loads)

    assert all(answer.status_code == 200 and answer.json() == {"data": DATA} for answer in answers)
    messages = [r.getMessage() for r in caplog.records if r.name == "gateway.store.shared"]
    assert sum("fails" in line for line in messages) <= 2 * (3 if outage == "flapping" else 1)


async def _outage(server: RedisServer, outage: str) -> None:
    match outage:
        case "paused":
            server.pause()
        case "killed":
            server.kill()
        case "restarted":
            server.kill()
            server.start()
        case "flushed":
            with redis.Redis(port=server.port) as client:
                client.script_flush()
                client.flushall()
        case "flapping":
            for _ in range(3):
                server.pause()
                await asyncio.sleep(0.3)
                server.resume()
                await asyncio.sleep(0.1)
        case _:
            with redis.Redis(port=server.port) as client:
                client.config_set("maxmemory", "1")


@pytest.mark.usefixtures("long_timeouts")
async def test_after_a_restart_the_gateways_share_again(
    rest: FaultyRest, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Within about a second after a restart, gateways share answers again and log it."""
    caplog.set_level(logging.INFO)
    async with gateways(2, rest, server) as (one, other):
        server.kill()
        await ask(one, user="before")
        server.start()
        await asyncio.sleep(0.6)
        rest.play(answer())
        await ask(one, user="after")
        await ask(other, user="after")

    assert rest.calls == 1
    assert "The shared cache works again" in caplog.text


@pytest.mark.usefixtures("long_timeouts")
async def test_an_idle_gateway_uses_redis_again(
    rest: FaultyRest,
    server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After an outage the metric is right again, although nobody sends a request."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(shared, "_RETRIED_AFTER_S", 0.1)
    async with gateways(1, rest, server) as (one,):
        server.kill()
        await ask(one)
        in_the_outage = (await one.http.get("/metrics")).text
        server.start()
        await until(lambda: "The shared cache works again" in caplog.text)
        after_it = (await one.http.get("/metrics")).text

    assert "\ngateway_redis_up 0.0\n" in in_the_outage
    assert "\ngateway_redis_up 1.0\n" in after_it


async def entry_in(client: redis.Redis) -> str:
    """Wait for the one entry without a lease, and return its name."""
    names: list[bytes] = []

    def is_there() -> bool:
        names[:] = client.scan_iter()
        return len(names) == 1 and not names[0].endswith(b":lease")

    await until(is_there)
    return names[0].decode()


@pytest.mark.usefixtures("long_timeouts")
@pytest.mark.parametrize("key", ["", ":lease"])
@pytest.mark.parametrize(
    "garbage",
    [
        ("SET", "{}", "garbage"),
        ("SET", "{}", "x" * 2**21, "PX", 2_000),
        ("LPUSH", "{}", "a list"),
        ("SETBIT", "{}", 1, 1),
    ],
    ids=["text", "large", "list", "bits"],
)
async def test_garbage_in_any_key_is_overwritten(
    rest: FaultyRest, server: RedisServer, key: str, garbage: tuple[Any, ...]
) -> None:
    """Garbage in a key is overwritten, and delays no request."""
    async with gateways(2, rest, server, cache_ttl=60) as (one, other):
        await ask(one)
        with redis.Redis(port=server.port) as client:
            name = await entry_in(client)
            client.flushdb()
            command = (part if part != "{}" else name + key for part in garbage)
            client.execute_command(*command)
        answers = [await ask(other)]
        async with gateways(1, rest, server, cache_ttl=60) as (third,):
            answers.append(await ask(third))

    assert [answer.json() for answer in answers] == [{"data": DATA}] * 2
    assert rest.calls == 2


@pytest.mark.usefixtures("long_timeouts")
async def test_an_old_entry_that_is_set_again_is_not_fresh(
    rest: FaultyRest, server: RedisServer
) -> None:
    """An entry's date is sealed in it, by Redis' clock."""
    async with gateways(2, rest, server, cache_ttl=3) as (one, other):
        await ask(one)
        with redis.Redis(port=server.port) as client:
            name = await entry_in(client)
            entry = client.get(name)
            await asyncio.sleep(3)
            client.set(name, entry, px=60_000)
        await ask(other)

    assert rest.calls == 2


@pytest.mark.parametrize(
    "reply", [b":5\r\n", b"*1\r\n$1\r\na\r\n", b"$abc\r\n", b"HTTP/1.1 400\r\n"]
)
async def test_another_server_in_place_of_redis_fails_no_request(
    rest: FaultyRest, reply: bytes
) -> None:
    """A server with any other answers than Redis' fails no request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                writer.write(reply + b"\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = {"cache_url": f"redis://127.0.0.1:{port}", "cache_secret": SECRET}
        async with gateway_to(rest.url, **settings) as gateway:
            answers = await asyncio.gather(*(ask(gateway, user=str(user)) for user in range(3)))

    assert [answer.json() for answer in answers] == [{"data": DATA}] * 3


@pytest.mark.usefixtures("long_timeouts")
async def test_a_webhook_at_one_gateway_invalidates_the_cache_of_all(
    rest: FaultyRest, server: RedisServer
) -> None:
    """A webhook at one gateway invalidates the snapshots of all; together they call REST once."""
    secret = "webhook secret of sixteen characters or more"
    body = json.dumps({"Event": "chatsession.changed", "ContextIdentifier": "Cust1"}).encode()
    signature = {"X-SuperOffice-Signature": signed(secret, body)}
    async with gateways(2, rest, server, cache_ttl=60, webhook_secret=secret) as (one, other):
        for gateway in (one, other):
            await ask(gateway)
        assert rest.calls == 1
        with redis.Redis.from_url(server.url) as client:
            await until(lambda: client.pubsub_numsub(_CHANNEL)[0][1] == 2)

        await one.http.post("/webhooks/superoffice", content=body, headers=signature)
        while rest.calls == 1:
            await ask(other)
        for gateway in (one, other):
            await ask(gateway)

    assert rest.calls == 2
