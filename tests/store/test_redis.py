"""The client of Redis, where it differs from aiocache's."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.store import redis as store
from gateway.store.commands import Command
from gateway.store.redis import Channel, RedisCache, client_for, try_out
from tests.fake_dns import FakeDNS
from tests.store.redis_server import RedisServer

LOOKUP = Command("lookup", "a", (b"", 1, 1, 1))
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


@pytest.mark.parametrize(
    "option",
    ["family=0", "socket_timeout=abc", "decode_responses=true", "retry=1", "encoding=utf-99"],
)
def test_an_invalid_option_is_a_settings_error(option: str) -> None:
    """The error is one line without the password, and no connection is opened."""
    with pytest.raises(SettingsError, match="cannot be used: unknown") as caught:
        client_for(f"redis://:hunter2@redis.invalid?{option}")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "why"),
    [("/none.pem", "No such file or directory"), (__file__, "no valid PEM")],
)
def test_an_unusable_file_is_a_settings_error(file: str, why: str) -> None:
    """The gateway does not start without the file, or with one that is not PEM."""
    for option in ("ssl_ca_certs", "ssl_certfile"):
        with pytest.raises(SettingsError, match=f"cannot be used: {why}") as caught:
            client_for(f"rediss://:hunter2@redis.invalid?{option}={file}")

        assert "hunter2" not in str(caught.value)


def test_an_authority_may_lack_extensions() -> None:
    """Python 3.13 and newer would require those of RFC 5280."""
    pool: Any = client_for("rediss://redis.invalid").connection_pool
    context = pool.make_connection().ssl_context.get()

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


@contextlib.asynccontextmanager
async def peer(reply: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Run a server that replies to each command; yield its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while commands := await reader.read(1_000):
                writer.write(reply(commands) * commands.count(b"*"))
        writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_peer_without_hello_is_used() -> None:
    """Redis 5 and many proxies know no HELLO, and redis-py does not fall back."""
    received = bytearray()

    def reply(commands: bytes) -> bytes:
        received.extend(commands)
        return b"-ERR unknown command\r\n" if b"HELLO" in commands else b"+PONG\r\n"

    async with peer(reply) as url, client_for(url) as client:
        assert await client.ping()

    assert b"PING" in received
    assert b"HELLO" not in received


async def test_a_lookup_outlives_the_command_that_it_is_too_slow_for(dns: FakeDNS) -> None:
    """Otherwise a Redis whose name takes longer than its timeout would never be used."""
    dns.answers["redis.test"] = []
    async with peer(lambda _: b"+PONG\r\n") as url:
        client = client_for(url.replace("127.0.0.1", "redis.test"))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.ping()
        dns.answers["redis.test"] = ["127.0.0.1"]
        dns.answer()
        assert await client.ping()
        await client.aclose()

    assert dns.queries["redis.test"] == 1


async def test_an_entry_that_is_no_bytes_is_a_failure() -> None:
    """Otherwise the code that reads entries would fail, and with it a request."""
    async with peer(lambda commands: b"*3\r\n$1\r\n1\r\n:5\r\n:1\r\n") as url:
        cache = RedisCache(url)
        with pytest.raises(TypeError, match="int in the place of bytes"):
            await cache.run([LOOKUP], lambda: None)
        await cache.aclose()


@pytest.mark.socket
async def test_each_reply_restarts_the_timeout(server: RedisServer) -> None:
    """A round trip with many commands takes longer than one with few."""
    cache, replies = RedisCache(server.url), list[None]()
    await cache.run([LOOKUP] * 3, lambda: replies.append(None))
    await cache.aclose()

    assert len(replies) == 3


@pytest.mark.socket
async def test_after_a_failover_new_connections_are_used(server: RedisServer) -> None:
    """The address of Redis then leads to another server, but an old connection does not."""
    cache = RedisCache(server.url)
    ids = [await cache.client.client_id() for _ in range(2)]
    await cache.reconnect()
    ids.append(await cache.client.client_id())
    await cache.aclose()

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("reply", [b"$x", b"*x", b":x", b":1", b"*1\r\n:1", b"junk"])
async def test_a_peer_that_is_not_redis_is_an_outage(reply: bytes) -> None:
    """A proxy that is not ready, or another service, fails as Redis does: it may come back."""
    async with peer(lambda commands: reply + b"\r\n") as url:
        channel = Channel(url, timeout_s=1)
        with pytest.raises(OSError):
            await anext(channel.messages())
        with pytest.raises(OSError):
            await try_out(url)
        await channel.aclose()


@pytest.mark.parametrize(
    ("is_silent", "failure"), [(True, "TimeoutError"), (False, "ConnectionError")]
)
async def test_a_peer_that_accepts_and_is_silent_is_an_outage(
    monkeypatch: pytest.MonkeyPatch, is_silent: bool, failure: str
) -> None:
    """A subscription never waits for it, at first or after a lost connection, without end."""
    monkeypatch.setattr(store, "_SILENCE_S", 0.1)

    def reply(commands: bytes) -> bytes:
        nonlocal is_silent
        if is_silent:
            return b""
        if b"PING" in commands:
            is_silent = True
            raise ConnectionResetError
        return SUBSCRIBED if b"SUBSCRIBE" in commands else b"+OK\r\n"

    async with peer(reply) as url:
        channel = Channel(url, timeout_s=1)
        with pytest.raises(OSError, match=failure):
            async for message in channel.messages():
                assert message is None
        await channel.aclose()


async def test_a_node_of_a_cluster_is_refused() -> None:
    """It has some of the keys, perhaps those that are tried first."""

    def reply(commands: bytes) -> bytes:
        return b"-MOVED 9 127.0.0.1:1\r\n" if b":doctor7\r\n" in commands else b"+PONG\r\n"

    async with peer(reply) as url:
        with pytest.raises(OSError, match="MovedError"):
            await try_out(url)


async def test_a_peer_that_is_not_redis_receives_no_news() -> None:
    """Publishing to it fails as to Redis."""
    async with peer(lambda commands: b"*x\r\n") as url:
        channel = Channel(url, timeout_s=1)
        with pytest.raises(OSError, match="ValueError"):
            await channel.publish(b"")
        await channel.aclose()
