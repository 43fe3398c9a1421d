"""The connections to REST: httpx's transport interface over aiohttp's pool.

httpx's own pool hands a connection on together with what its last answer left in the buffer: if
REST, or a proxy before it, sends more than was asked for, the surplus becomes the next caller's
answer. aiohttp closes such a connection, and it takes a fraction of the CPU time.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["LentTransport", "PooledTransport"]

_READ_AHEAD = 2**18

_MEANINGS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerTimeoutError, httpx.ConnectTimeout),  # nothing else has a time limit here
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (HttpProcessingError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
)


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests over at most so many connections at a time; close it with `aclose`.

    Bodies come as they are on the wire: compressed, if they are. Nothing is tried again. `tls` is
    for those who open many: it takes a while to make and a megabyte to keep.
    """

    def __init__(
        self, *, connections: int, connect_timeout_s: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._connections = connections
        # For all of connecting: the name, TCP and TLS.
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout_s)
        # The system's authorities, and SSL_CERT_FILE for those who run their own.
        self._tls = tls or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body.

        Raises:
            httpx.TransportError: there is no connection, or it broke, or what came is not HTTP.
        """
        if self._session is None:
            self._session = self._opened()
        response = await self._session.request(
            request.method,
            str(request.url),
            headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
            allow_redirects=False,
        )
        stream = _Stream(response)
        return httpx.Response(response.status, headers=response.raw_headers, stream=stream)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._tls)
        connector._factory = cast(
            "partial[ResponseHandler]", partial(_Protocol, asyncio.get_running_loop())
        )
        return aiohttp.ClientSession(
            connector=connector,
            # What REST sets for one caller must not go along with the next caller's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_AHEAD,
            timeout=self._timeout,
            middlewares=(_say_it_in_httpx,),
        )


class LentTransport(httpx.AsyncBaseTransport):
    """A transport that several share, and that somebody else will close."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return await self._transport.handle_async_request(request)


class _Protocol(ResponseHandler):
    """Lets the reader of a body know when what follows is not HTTP.

    aiohttp tells nobody about a bad chunk that comes later than the head: the reader would wait
    until its deadline. There is no public way to put this in; a test on sockets stands guard.
    """

    def set_exception(self, exc: BaseException, *args: Any, **options: Any) -> None:
        super().set_exception(exc, *args, **options)
        body = self._payload
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            body.set_exception(exc)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, HttpProcessingError) as exc:
            raise _translated(exc) from exc

    async def aclose(self) -> None:
        self._response.release()


async def _say_it_in_httpx(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Translate errors where they arise: aiohttp would send a request again for its own."""
    try:
        return await handler(request)
    except aiohttp.ClientError as exc:
        raise _translated(exc) from exc


def _translated(exc: aiohttp.ClientError | HttpProcessingError) -> httpx.TransportError:
    """Find the most specific of httpx's errors; without the message, which holds addresses."""
    meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(exc, kind))
    return meaning(type(exc).__name__)
