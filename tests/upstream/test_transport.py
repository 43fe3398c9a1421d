"""The translation of aiohttp's errors to httpx's, and the connection pool."""

import asyncio
import resource
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from aiohttp.http_exceptions import BadHttpMessage

from gateway.errors import UpstreamUnavailableError
from gateway.settings import Settings
from gateway.upstream import failures, transport
from gateway.upstream.client import UpstreamClient
from tests.fake_dns import FakeDNS
from tests.ports import free_port
from tests.upstream.faulty import answer, closes, dies, faulty_rest
from tests.upstream.test_client import CALLER

ONE = Settings(upstream_url="http://127.0.0.1", upstream_connections=1)


def kinds(kind: type[aiohttp.ClientError]) -> Iterator[type[aiohttp.ClientError]]:
    """Yield an error and all that derive from it."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from kinds(narrower)


def test_invalid_http_is_a_protocol_error() -> None:
    """The error of invalid HTTP has its class name only, as its message quotes REST."""
    error = failures.in_httpx(BadHttpMessage("sent by REST"))

    assert type(error) is httpx.RemoteProtocolError
    assert str(error) == "BadHttpMessage"


@pytest.mark.parametrize("kind", sorted(set(kinds(aiohttp.ClientError)), key=str))
def test_every_error_of_aiohttp_is_translated_to_httpx(kind: type[aiohttp.ClientError]) -> None:
    """Each error has its class name only, as messages contain addresses."""
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
def test_errors_are_translated_by_their_meaning(
    kind: type[aiohttp.ClientError], meaning: type[httpx.TransportError]
) -> None:
    """Connection failures, breaks and protocol errors are distinguished."""
    assert type(failures.in_httpx(kind.__new__(kind))) is meaning


async def test_the_error_of_a_large_header_names_our_limit() -> None:
    """A header above 64 KiB is valid HTTP, so the error names our limit."""
    pool = transport.PooledTransport(ONE)
    async with faulty_rest(answer(b"[]", f"X-Note: {'x' * 70_000}")) as rest, pool:
        with pytest.raises(httpx.LocalProtocolError) as failed:
            await pool.handle_async_request(httpx.Request("GET", rest.url))

    message = "A header of SuperOffice's answer is larger than 64 KiB."
    assert str(failures.upstream_error(failed.value)) == message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_too_many_open_files_are_no_failure_of_superoffice(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a file for a connection, the error and the log say so, and the circuit stays."""
    url = f"http://{host}:{free_port()}"
    settings = Settings(upstream_url=url, breaker_failures=1)
    client = UpstreamClient(settings, url, transport.PooledTransport(settings))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(UpstreamUnavailableError, match="too many open files") as failed:
            await client.fetch(CALLER)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await client.aclose()

    assert not failed.value.call_was_made
    assert client.breaker.state == "closed"
    assert "too many open files" in caplog.text


async def test_an_old_connection_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old connection is closed, as the host name may have another address."""
    for seconds, connections in ((60, 1), (-1, 3)):
        monkeypatch.setattr(transport, "_CONNECTION_S", seconds)
        pool = transport.PooledTransport(ONE)
        async with faulty_rest(answer(b"[]")) as rest, httpx.AsyncClient(transport=pool) as client:
            for _ in range(3):
                assert (await client.get(rest.url)).status_code == 200
            assert rest.connections == connections


async def test_after_a_break_a_retry_has_a_new_connection() -> None:
    """Others may break, too: after a restart older ones, and behind some balancers all of them."""
    pool = transport.PooledTransport(
        Settings(upstream_url="http://rest.test", upstream_connections=2)
    )
    plays = (answer(b"[]"), answer(b"[]"), closes(), answer(b"[]"))
    async with faulty_rest(*plays) as rest, pool:
        request = httpx.Request("GET", rest.url)
        await asyncio.gather(*(pool.handle_async_request(request) for _ in range(2)))
        with pytest.raises(httpx.ReadError):
            await pool.handle_async_request(request)
        for connections in (3, 4):
            await (await pool.handle_async_request(request)).aread()
            assert rest.connections == connections


@pytest.mark.parametrize("last", [b"", answer(b"[]")])
async def test_a_connection_to_a_silent_host_breaks(last: bytes) -> None:
    """A host that is gone ends no connection: a call does not wait for it until its deadline."""
    pool = transport.PooledTransport(Settings(upstream_url="http://rest.test", upstream_timeout=1))
    async with faulty_rest(dies(last), answer(b"[]")) as rest, pool, asyncio.timeout(8):
        request = httpx.Request("GET", rest.url)
        if last:
            await (await pool.handle_async_request(request)).aread()
        with pytest.raises(httpx.ReadError):
            await pool.handle_async_request(request)
        await (await pool.handle_async_request(request)).aread()

    assert rest.connections == 2


async def test_after_a_failed_connection_the_name_is_looked_up_again(dns: FakeDNS) -> None:
    """A host that has moved is found at once, and not when its old address has expired."""
    dns.answers["rest.test"] = ["127.0.0.2"]
    async with faulty_rest(answer(b"[]")) as rest, transport.PooledTransport(ONE) as pool:
        request = httpx.Request("GET", rest.url.replace("127.0.0.1", "rest.test"))
        with pytest.raises(httpx.ConnectError):
            await pool.handle_async_request(request)
        dns.answers["rest.test"] = ["127.0.0.1"]
        await (await pool.handle_async_request(request)).aread()

    assert dns.queries["rest.test"] == 2


async def test_after_a_break_the_name_is_looked_up_again(dns: FakeDNS) -> None:
    """A host that moves may close its connections: the retry finds it at its new address."""
    dns.answers["rest.test"] = ["127.0.0.1"]
    plays = (answer(b"[]"), closes(), answer(b"[]"))
    async with faulty_rest(*plays) as rest, transport.PooledTransport(ONE) as pool:
        request = httpx.Request("GET", rest.url.replace("127.0.0.1", "rest.test"))
        await (await pool.handle_async_request(request)).aread()
        with pytest.raises(httpx.ReadError):
            await pool.handle_async_request(request)
        await (await pool.handle_async_request(request)).aread()

    assert dns.queries["rest.test"] == 2
