"""Whether REST can be reached: looked at in the background, without anybody's credentials.

A connection is opened and closed again, with TLS where the address has it; nothing is asked. So it
finds what names, routes, firewalls and certificates do, and it is no call that SuperOffice counts,
or takes for a log-in that failed.
"""

import asyncio
import ssl

import httpx

__all__ = ["Reachability"]


class Reachability:
    """Knows whether the last connection came about."""

    def __init__(self, *, url: str, interval_s: float, connect_timeout_s: float) -> None:
        self._url = httpx.URL(url)
        self._interval_s = interval_s
        self._connect_timeout_s = connect_timeout_s
        self._problem: str | None = "it has not been looked for yet"

    def problem(self) -> str | None:
        """Say what is wrong; None when nothing is."""
        return self._problem

    async def keep_looking(self) -> None:
        """Look again and again until cancelled."""
        tls = ssl.create_default_context() if self._url.scheme == "https" else None
        while True:
            self._problem = await self._look(tls)
            await asyncio.sleep(self._interval_s)

    async def _look(self, tls: ssl.SSLContext | None) -> str | None:
        port = self._url.port or (443 if tls else 80)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, writer = await asyncio.open_connection(self._url.host, port, ssl=tls)
        except ssl.SSLError:
            return "its certificate is not accepted, or it does not speak TLS"
        except TimeoutError:
            return f"it did not answer within {self._connect_timeout_s:g} seconds"
        except (OSError, UnicodeError):  # the latter where a name cannot be one
            return "it cannot be reached"
        writer.transport.abort()
        return None
