"""SuperOffice Online on loopback: the demo REST server takes the place of all its hosts."""

import httpx

from gateway.settings import Settings
from gateway.upstream.transport import PooledTransport


class DemoNetwork(httpx.AsyncBaseTransport):
    """Sends each request to the demo server, with the Host header of its real destination."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._transport = PooledTransport(Settings.model_construct(upstream_url=url))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body."""
        url = self._url.copy_with(raw_path=request.url.raw_path)
        sent = httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        return await self._transport.handle_async_request(sent)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()
