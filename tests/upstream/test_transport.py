"""aiohttp's errors in httpx's words."""

import ssl
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from aiohttp.http_exceptions import BadHttpMessage

from gateway.upstream import failures, transport


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


def test_trusted_authorities_can_be_shared() -> None:
    """Reading the system's takes milliseconds each time."""
    tls = ssl.create_default_context()

    assert transport.PooledTransport(connections=1, connect_timeout_s=1, tls=tls)._tls is tls


@pytest.mark.parametrize("kind", sorted(set(kinds(aiohttp.ClientError)), key=str))
def test_every_error_of_aiohttp_is_one_of_httpx(kind: type[aiohttp.ClientError]) -> None:
    """And says no more than its name: messages hold addresses."""
    error = failures.in_httpx(kind.__new__(kind, "http://rest.invalid"))

    assert isinstance(error, httpx.TransportError)
    assert str(error) == kind.__name__


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
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
