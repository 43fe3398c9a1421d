"""Whether SuperOffice can be reached: checked in the background, without credentials.

A connection is opened and closed, with TLS for https; no request is sent. So problems of DNS,
routing, firewalls and certificates are found, and SuperOffice sees neither a call nor a failed
log-in.
"""

import asyncio
import ssl

import httpx


class Reachability:
    """Knows whether the last connection succeeded."""

    def __init__(self, *, url: str, interval_s: float, connect_timeout_s: float) -> None:
        self._url = httpx.URL(url)
        self._interval_s = interval_s
        self._connect_timeout_s = connect_timeout_s
        self._problem: str | None = "it has not been checked yet"

    def problem(self) -> str | None:
        """Return what is wrong, or None."""
        return self._problem

    async def keep_checking(self) -> None:
        """Check until cancelled, every `interval_s` seconds."""
        tls = ssl.create_default_context() if self._url.scheme == "https" else None
        while True:
            self._problem = await self._check(tls)
            await asyncio.sleep(self._interval_s)

    async def _check(self, tls: ssl.SSLContext | None) -> str | None:
        port = self._url.port or (443 if tls else 80)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, writer = await asyncio.open_connection(self._url.host, port, ssl=tls)
        except ssl.SSLError:
            return "its certificate is not accepted, or it does not speak TLS"
        except TimeoutError:
            return f"it did not answer within {self._connect_timeout_s:g} seconds"
        except (OSError, UnicodeError):  # the latter for an invalid name
            return "it cannot be reached"
        writer.transport.abort()
        return None
