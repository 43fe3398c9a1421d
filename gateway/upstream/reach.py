"""Check in the background whether SuperOffice can be reached, without credentials.

A connection is opened and closed, with TLS for https, and no request is sent. This finds problems
of DNS, routing, proxies and certificates, and SuperOffice sees neither a call nor a failed log-in.
"""

import asyncio
import logging
import ssl

import httpx

from gateway.settings import Settings
from gateway.upstream.failures import ProxyError
from gateway.upstream.route import Route
from gateway.upstream.transport import PooledTransport

logger = logging.getLogger(__name__)


class Reachability:
    """Connects to SuperOffice regularly, and has the last result."""

    def __init__(self, settings: Settings, route: Route) -> None:
        self._settings, self._route = settings, route
        self.problem: str | None = "it has not been checked yet"
        """The problem, or None."""

    async def keep_checking(self) -> None:
        """Check until cancelled, every `ready_check` seconds; log each change."""
        while True:
            # As a call, which is retried: at another address, if the name has several.
            before, self.problem = self.problem, await self._check() and await self._check()
            if self.problem and self.problem != before:
                logger.warning("The check of SuperOffice fails: %s", self.problem)
            elif before and not self.problem:
                logger.info("The check of SuperOffice succeeds")
            await asyncio.sleep(self._settings.ready_check)

    async def _check(self) -> str | None:
        settings, timeout_s = self._settings, self._settings.upstream_connect_timeout
        try:
            async with PooledTransport(settings, self._route) as network:
                async with asyncio.timeout(timeout_s):
                    await network.connect(httpx.URL(settings.address))
        except ssl.SSLError:
            return "its certificate is not accepted, or it does not speak TLS"
        except TimeoutError:
            return f"it did not answer within {timeout_s:g} seconds"
        except ProxyError:
            return "the proxy on the way cannot be reached, or does not connect"
        except (OSError, UnicodeError):  # the latter for an invalid name
            return "it cannot be reached"
        return None
