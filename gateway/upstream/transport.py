"""The connections to SuperOffice: httpx's transport interface over aiohttp's pool.

httpx's own pool reuses a connection with bytes left in its buffer: if SuperOffice, or a proxy
before it, sends more than one response, the surplus becomes the next caller's answer. aiohttp
closes such a connection, and takes a fraction of the CPU time.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, NoReturn, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from gateway.dns import name_of
from gateway.settings import Settings
from gateway.upstream.failures import connection_error, in_httpx
from gateway.upstream.retry import LONGEST_PAUSE_S
from gateway.upstream.route import Route

_PRIVATE = {"_factory": aiohttp.BaseConnector, "_payload": ResponseHandler}
"""Attributes of aiohttp that have no public form; a release without one fails here, by name."""

if missing := [
    name for name in _PRIVATE if name not in vars(_PRIVATE[name])["__init__"].__code__.co_names
]:
    raise ImportError(f"aiohttp has changed: {', '.join(missing)}")

_CONNECTION_S = 60
_PROBES_S = 1
_READ_AHEAD = 2**18
_LONGEST_HEADER = 64 * 2**10  # as much as clients may send; proxies write long challenges
_MOST_HEADERS = 1_000


class _NotSentError(Exception):
    """Ends a request which has its connection."""


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests over `upstream_connections` connections at most; close it with `aclose`.

    Bodies are not decompressed, and nothing is retried. Several can share a `route`, whose TLS
    context takes a while to make, and a megabyte of memory.
    """

    def __init__(self, settings: Settings, route: Route | None = None) -> None:
        self._settings = settings
        self.silence_s = settings.upstream_timeout / 2  # a retry has as long
        self.route = route or Route(settings)
        self._resolver = _Resolver()
        self.fresh_since_s = float("-inf")  # no connection from before it is used again

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body.

        Raises:
            httpx.TransportError: connecting failed, the connection broke, or this is not HTTP.
        """
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        is_tls, proxy = request.url.scheme == "https", self.route.proxy_for(request.url)
        if proxy and not is_tls:  # otherwise they are for its CONNECT
            headers += proxy.headers.items()
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=headers,
                allow_redirects=False,
                # Here, and not in the pool: a reload takes effect without breaking a connection.
                ssl=self.route.tls() if is_tls else True,
                proxy=str(proxy.url) if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
                middlewares=request.extensions.get("middlewares"),  # of `connect`
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
            self._resolver.since_s = time.monotonic()  # the name may have moved
            raise
        except httpx.ReadError:
            # Connections made before the retry may be just as short-lived: it gets a new one, and
            # looks the name up again, as the host may have moved.
            self._resolver.since_s = time.monotonic()
            self.fresh_since_s = asyncio.get_running_loop().time() + LONGEST_PAUSE_S
            raise
        stream = _Stream(response)
        return httpx.Response(response.status, headers=response.raw_headers, stream=stream)

    async def connect(self, url: httpx.URL) -> ssl.SSLObject | None:
        """Connect as for a request, send none, and disconnect; return the state of TLS, if any.

        For http, connect to the proxy alone, if there is one.

        Raises:
            OSError: ProxyError, ssl.SSLError and others.
            UnicodeError: the name of the host is invalid.
        """
        tls: ssl.SSLObject | None = None

        async def only_connect(request: aiohttp.ClientRequest, _: object) -> NoReturn:
            nonlocal tls
            # Without a timeout of its own: the caller has one.
            connection = await self._connector.connect(request, [], aiohttp.ClientTimeout())
            if connection.transport is not None:
                tls = connection.transport.get_extra_info("ssl_object")
                connection.transport.abort()  # a server may never reply to the end of TLS
            connection.close()
            raise _NotSentError

        extensions = {"middlewares": (only_connect,)}
        try:
            with suppress(_NotSentError):
                await self.handle_async_request(httpx.Request("GET", url, extensions=extensions))
        except aiohttp.ClientError as exc:
            is_proxied = self.route.proxy_for(url) is not None
            raise connection_error(exc, is_proxied=is_proxied) from exc
        return tls

    async def aclose(self) -> None:
        """Close the connections."""
        if "_session" in vars(self):
            await self._session.close()

    @cached_property
    def _connector(self) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(
            limit=self._settings.upstream_connections,
            resolver=self._resolver,
            use_dns_cache=False,  # the resolver has one for all pools
        )
        connector._factory = cast(
            "partial[ResponseHandler]", partial(_Protocol, asyncio.get_running_loop(), self)
        )
        return connector

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        # For the whole of connecting: DNS, TCP and TLS.
        connect_timeout_s = self._settings.upstream_connect_timeout
        return aiohttp.ClientSession(
            connector=self._connector,
            # A cookie set for one caller must not be sent with the next caller's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_AHEAD,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout_s),
            middlewares=(_raise_httpx,),
        )


class _Resolver(AbstractResolver):
    """Has the addresses of names that all pools share, in turn."""

    since_s = float("-inf")  # no address from before it is used again

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, of any family."""
        addresses = await name_of(host, socket.AI_ADDRCONFIG).addresses(since_s=self.since_s)
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in addresses
        ]

    async def close(self) -> None:
        """Close nothing."""


class _Protocol(ResponseHandler):
    """Closes old connections, and passes protocol errors within a body on to its reader.

    A host may live on after its name has moved: a connection gets no new request after a minute. A
    restart breaks all connections: once one has broken, the retry uses a new one. A host that dies,
    or a firewall that forgets a connection, breaks none: the system does, once nothing is
    acknowledged, neither a request nor the probes of a connection that waits (RFC 5482).

    aiohttp drops the error about an invalid chunk that comes after the head: the reader would wait
    until its deadline. There is no public hook for this; a test on sockets covers it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: PooledTransport) -> None:
        super().__init__(loop)
        self._clock, self._made_s, self._pool = loop.time, loop.time(), pool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the system break the connection when its host is silent."""
        super().connection_made(transport)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # pragma: no branch - Linux
            sock, silence_ms = transport.get_extra_info("socket"), int(self._pool.silence_s * 1000)
            with suppress(OSError):  # some sandboxes know the names only
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBES_S)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBES_S)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)

    def is_connected(self) -> bool:
        """Whether the pool can use it, once it is idle."""
        # An answer that came while it was idle would be the next caller's.
        is_usable = super().is_connected() and not self.should_close
        return is_usable and self._made_s > self._pool.fresh_since_s

    @property
    def should_close(self) -> bool:
        """Whether the connection is not to be used again."""
        return super().should_close or self._clock() > self._made_s + _CONNECTION_S

    def data_received(self, data: bytes) -> None:
        """Parse the head of an error alone: an invalid body in the same data would lose it."""
        if data.startswith(b"HTTP/1.") and data[9:10] != b"2":
            head, end, data = data.partition(b"\r\n\r\n")
            super().data_received(head + end)
        super().data_received(data)  # b"", too: with it aiohttp goes on after a pause

    def set_exception(self, exc: BaseException, *args: Any, **more: Any) -> None:  # as aiohttp
        super().set_exception(exc, *args, **more)
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
            raise in_httpx(exc) from exc

    async def aclose(self) -> None:
        self._response.release()


async def _raise_httpx(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Translate errors where they arise: aiohttp would retry a request after one of its own."""
    try:
        return await handler(request)
    except aiohttp.ClientError as exc:
        if request.proxy and isinstance(exc, aiohttp.ClientConnectorDNSError):
            raise httpx.ProxyError(type(exc).__name__) from exc  # only its name is looked up
        raise in_httpx(exc) from exc
