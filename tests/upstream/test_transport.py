"""aiohttp's errors in httpx's words."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp.http_exceptions import BadHttpMessage

from gateway.settings import Settings
from gateway.upstream import failures, transport
from tests.ports import free_port
from tests.upstream.faulty import answer, closes, faulty_rest

ONE = Settings(upstream_url="http://127.0.0.1", upstream_connections=1)


def kinds(kind: type[aiohttp.ClientError]) -> Iterator[type[aiohttp.ClientError]]:
    """Yield an error and all that derive from it."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from kinds(narrower)


def test_what_is_not_http_is_a_protocol_error() -> None:
    """It is no ClientError, and quotes what was sent: only its kind is told."""
    error = failures.in_httpx(BadHttpMessage("sent by REST"))

    assert type(error) is httpx.RemoteProtocolError
    assert str(error) == "BadHttpMessage"


@pytest.mark.parametrize("kind", sorted(set(kinds(aiohttp.ClientError)), key=str))
def test_every_error_of_aiohttp_is_one_of_httpx(kind: type[aiohttp.ClientError]) -> None:
    """And says no more than its name: messages hold addresses."""
    error = failures.in_httpx(kind.__new__(kind, "http://rest.invalid"))

    assert isinstance(error, httpx.TransportError)
    assert str(error) == kind.__name__


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
        (aiohttp.ClientHttpProxyError, httpx.ProxyError),
        (aiohttp.ClientConnectorDNSError, httpx.ConnectError),
        (aiohttp.ClientConnectorCertificateError, httpx.ConnectError),
        (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
        (aiohttp.ServerDisconnectedError, httpx.ReadError),
        (aiohttp.ClientPayloadError, httpx.ReadError),
        (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
        (aiohttp.ClientError, httpx.ReadError),
    ],
)
def test_an_error_is_translated_by_what_it_means(
    kind: type[aiohttp.ClientError], meaning: type[httpx.TransportError]
) -> None:
    """No connection, a broken one, or one that speaks something else."""
    assert type(failures.in_httpx(kind.__new__(kind))) is meaning


async def test_a_header_that_is_too_large_is_named() -> None:
    """It is valid HTTP: the limit is ours."""
    pool = transport.PooledTransport(ONE)
    async with faulty_rest(answer(b"[]", f"X-Note: {'x' * 70_000}")) as rest, pool:
        with pytest.raises(httpx.LocalProtocolError) as failed:
            await pool.handle_async_request(httpx.Request("GET", rest.url))

    message = "A header of SuperOffice's answer is larger than 64 KiB."
    assert str(failures.upstream_error(failed.value)) == message


async def test_an_old_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name may have moved while the old host lives on."""
    for seconds, connections in ((60, 1), (-1, 3)):
        monkeypatch.setattr(transport, "_CONNECTION_S", seconds)
        pool = transport.PooledTransport(ONE)
        async with faulty_rest(answer(b"[]")) as rest, httpx.AsyncClient(transport=pool) as client:
            for _ in range(3):
                assert (await client.get(rest.url)).status_code == 200
            assert rest.connections == connections


async def test_once_a_connection_has_broken_no_older_one_is_used() -> None:
    """A restart of SuperOffice has broken all of them: the retry must not meet another one."""
    pool = transport.PooledTransport(
        Settings(upstream_url="http://rest.test", upstream_connections=2)
    )
    plays = (answer(b"[]"), answer(b"[]"), closes(), answer(b"[]"))
    async with faulty_rest(*plays) as rest, pool:
        request = httpx.Request("GET", rest.url)
        await asyncio.gather(*(pool.handle_async_request(request) for _ in range(2)))
        with pytest.raises(httpx.ReadError):
            await pool.handle_async_request(request)
        await pool.handle_async_request(request)

        assert rest.connections == 3


async def test_a_failed_connection_forgets_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up again at once, and not only when its entry is old."""
    looked_up = []
    lookup = aiohttp.ThreadedResolver.resolve

    async def counted(self: Any, host: str, *args: Any, **more: Any) -> Any:
        looked_up.append(host)
        return await lookup(self, host, *args, **more)

    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", counted)
    pool, port = transport.PooledTransport(ONE), free_port()
    async with httpx.AsyncClient(transport=pool) as client:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://localhost:{port}")

    assert looked_up == ["localhost"] * 2
