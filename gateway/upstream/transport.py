"""The connections to REST: httpx's API over aiohttp's pool.

httpx's own pool hands a connection on together with what its last answer left in the buffer: if
REST, or a proxy before it, sends more than was asked for, the surplus becomes the next caller's
answer. aiohttp closes such a connection. It also takes a third of the CPU time.
"""

import ssl

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

__all__ = ["pooled"]


def pooled(connections: int) -> httpx.AsyncBaseTransport:
    """Make a transport with at most so many connections at a time."""
    # The system's authorities, and SSL_CERT_FILE for those who run their own.
    context = ssl.create_default_context()

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=context),
            # What REST sets for one caller must not go along with the next caller's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_say_it_in_httpx,),
        )

    return AiohttpTransport(verify=context, client=session)


async def _say_it_in_httpx(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Translate what httpx_aiohttp does not, or not well.

    It also keeps aiohttp from trying again by itself, which it does for its own errors only.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except aiohttp.ClientResponseError as exc:
        raise httpx.RemoteProtocolError("The answer is not HTTP.") from exc
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise httpx.ReadError("The connection broke.") from exc
