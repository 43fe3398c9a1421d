"""Check in the background whether SuperOffice can be reached, without credentials.

A connection is opened and closed, with TLS for https, and no request is sent. This finds problems
of DNS, routing, proxies and certificates, and SuperOffice sees neither a call nor a failed log-in.
"""

import asyncio
import ssl

import httpx

from gateway.settings import Settings
from gateway.upstream.route import ProxyError, Route


class Reachability:
    """Connects to SuperOffice regularly, and has the last result."""

    def __init__(self, settings: Settings, route: Route) -> None:
        self._url, self._route = httpx.URL(settings.address), route
        self._interval_s = settings.ready_check
        self._connect_timeout_s = settings.upstream_connect_timeout
        self.problem: str | None = "it has not been checked yet"
        """The problem, or None."""

    async def keep_checking(self) -> None:
        """Check until cancelled, every `ready_check` seconds."""
        while True:
            self.problem = await self._check()
            await asyncio.sleep(self._interval_s)

    async def _check(self) -> str | None:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                writer = await self._route.connect(self._url)
        except ssl.SSLError:
            return "its certificate is not accepted, or it does not speak TLS"
        except TimeoutError:
            return f"it did not answer within {self._connect_timeout_s:g} seconds"
        except ProxyError:
            return "the proxy on the way cannot be reached, or does not connect"
        except (OSError, UnicodeError):  # the latter for an invalid name
            return "it cannot be reached"
        writer.transport.abort()
        return None
