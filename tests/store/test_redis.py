"""The client of Redis, where it differs from aiocache's."""

import asyncio

import pytest

from gateway.errors import SettingsError
from gateway.store.redis import client_for


@pytest.mark.parametrize(
    "option",
    ["family=0", "socket_timeout=abc", "decode_responses=true", "retry=1", "encoding=utf-99"],
)
def test_an_invalid_option_is_a_settings_error(option: str) -> None:
    """The error is one line without the password, and no connection is opened."""
    with pytest.raises(SettingsError, match="it has an option behind the") as caught:
        client_for(f"redis://:hunter2@redis.invalid?{option}")

    assert "hunter2" not in str(caught.value)


async def test_a_peer_without_hello_is_used() -> None:
    """Redis 5 and many proxies know no HELLO, and redis-py does not fall back."""
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while commands := await reader.read(1_000):
            received.extend(commands)
            reply = b"-ERR unknown command\r\n" if b"HELLO" in commands else b"+PONG\r\n"
            writer.write(reply * commands.count(b"*"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(5), server, client_for(url) as client:
        assert await client.ping()

    assert b"PING" in received
    assert b"HELLO" not in received
