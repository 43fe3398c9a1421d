"""Gateways that share a real Redis, while it is well and while it is not."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.demo.webhooks import signature as signed
from tests.store.redis_server import RedisServer, redis_server, wait_for_redis
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
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
async def rest() -> AsyncIterator[FaultyRest]:
    """Run a REST side that is well."""
    async with faulty_rest() as running:
        yield running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gateways wait for Redis."""
    wait_for_redis(monkeypatch)


@contextlib.asynccontextmanager
async def gateways(
    number: int, rest: FaultyRest, server: RedisServer, **settings: Any
) -> AsyncIterator[list[Gateway]]:
    """Run some gateways over the same REST side and the same Redis."""
    shared = {"cache_url": server.url, "cache_secret": SECRET, **settings}
    async with contextlib.AsyncExitStack() as stack:
        running = [gateway_to(rest.url, **shared) for _ in range(number)]
        yield [await stack.enter_async_context(gateway) for gateway in running]


@pytest.mark.usefixtures("patient")
async def test_three_gateways_are_one_rest_call(rest: FaultyRest, server: RedisServer) -> None:
    """However many requests each of them has at the same time."""
    async with gateways(3, rest, server) as all_of_them:
        answers = await asyncio.gather(*(ask(gateway) for gateway in all_of_them * 20))

    assert all(answer.json()["data"] == DATA for answer in answers)
    assert rest.calls == 1


@pytest.mark.usefixtures("patient")
async def test_fifty_callers_are_fifty_rest_calls(rest: FaultyRest, server: RedisServer) -> None:
    """Each has one of its own, wherever it asks."""
    async with gateways(3, rest, server) as all_of_them:
        await asyncio.gather(
            *(ask(gateway, user=str(user)) for gateway in all_of_them for user in range(50))
        )

    assert rest.calls == 50


@pytest.mark.usefixtures("patient")
async def test_a_persisted_query_is_known_to_all(rest: FaultyRest, server: RedisServer) -> None:
    """The client that has sent it to one gateway may name it to the next."""
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


@pytest.mark.usefixtures("patient")
async def test_redis_learns_nothing(rest: FaultyRest, server: RedisServer, tmp_path: Path) -> None:
    """Neither its memory nor the file that it writes holds a credential or a customer's text."""
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
        kept = [(key, client.get(key)) for key in client.scan_iter()]

    everything = repr(kept).encode() + (tmp_path / "dump.rdb").read_bytes()
    assert len(kept) == 2
    for secret in (b"Marked", b"customer", SECRET.encode(), b"chatSession"):
        assert secret not in everything


async def load(gateway: Gateway, answers: list[httpx.Response], stop: asyncio.Event) -> None:
    """Ask again and again, each time as somebody else, until it is enough."""
    while not stop.is_set():
        answers.append(await ask(gateway, user=f"{id(gateway)}-{len(answers)}"))
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "trouble", ["paused", "killed", "restarted", "flapping", "full", "flushed"]
)
async def test_no_request_fails_because_of_redis(
    rest: FaultyRest,
    server: RedisServer,
    trouble: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of the load it goes; the gateways go on, and say so once."""
    if trouble not in ("paused", "flapping"):
        wait_for_redis(monkeypatch)
    caplog.set_level(logging.INFO)
    answers: list[httpx.Response] = []
    stop = asyncio.Event()
    async with gateways(2, rest, server) as running:
        loads = [asyncio.create_task(load(gateway, answers, stop)) for gateway in running]
        await until(lambda: len(answers) > 5)
        await _trouble(server, trouble)
        before = len(answers)
        await until(lambda: len(answers) > before + 10)
        stop.set()
        await asyncio.gather(*loads)

    assert all(answer.status_code == 200 and answer.json() == {"data": DATA} for answer in answers)
    told = [r.getMessage() for r in caplog.records if r.name == "gateway.store.shared"]
    assert sum("fails" in line for line in told) <= 2 * (3 if trouble == "flapping" else 1)


async def _trouble(server: RedisServer, trouble: str) -> None:
    match trouble:
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


@pytest.mark.usefixtures("patient")
async def test_after_a_restart_the_gateways_share_again(
    rest: FaultyRest, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """By themselves, within a second or so; and they say so."""
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


async def entry_in(client: redis.Redis) -> str:
    """Return the name of the one entry, as soon as it is there and its lease is not."""
    names: list[bytes] = []

    def is_there() -> bool:
        names[:] = client.scan_iter()
        return len(names) == 1 and not names[0].endswith(b":lease")

    await until(is_there)
    return names[0].decode()


@pytest.mark.usefixtures("patient")
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
async def test_garbage_in_any_key_holds_nobody_up(
    rest: FaultyRest, server: RedisServer, key: str, garbage: tuple[Any, ...]
) -> None:
    """It is written over; the cache goes on working."""
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


@pytest.mark.usefixtures("patient")
async def test_an_old_entry_that_is_set_again_is_not_fresh(
    rest: FaultyRest, server: RedisServer
) -> None:
    """Its date is by Redis' clock, and sealed in."""
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
async def test_what_is_no_redis_fails_no_request(rest: FaultyRest, reply: bytes) -> None:
    """Whatever listens there and answers whatever it likes."""

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


@pytest.mark.usefixtures("patient")
async def test_a_webhook_that_one_gateway_gets_counts_for_all(
    rest: FaultyRest, server: RedisServer
) -> None:
    """What they have kept is fresh no more; together they ask REST once more."""
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
