"""DNS: the addresses of SuperOffice, its tenants and Redis.

uvloop has four threads for all lookups, asyncio a few more, and the process waits for them when it
ends. A lookup that DNS does not answer occupies one for seconds, long after the caller's timeout: a
few of them would delay all others. Here a name has a thread of its own, which nothing waits for.
"""

import asyncio
import errno
import math
import os
import socket
import threading
import time
from concurrent.futures import Future
from functools import lru_cache

_FRESH_S = 10
_LONGEST_S = 1
_MOST_NAMES = 1_000


class Name:
    """The name of a host, shared by all that connect to it."""

    def __init__(self, host: str, flags: int) -> None:
        self._host, self._flags = host, flags
        self._addresses: list[str] = []
        self._attempts = 0
        self._found_s = -math.inf
        self._lookup: Future[None] | None = None

    async def addresses(self, *, since_s: float = -math.inf) -> list[str]:
        """Return the addresses; each call begins with the next one, as the first may not work.

        They are ten seconds old at most, and found after `since_s`. All callers share a lookup,
        which is not cancelled with them: the next attempt gets the result of a slow one. If DNS
        fails, or does not answer within a second, the last ones are used (RFC 8767).

        Raises:
            OSError: the name is unknown, or DNS fails before it was ever known.
            UnicodeError: the name is invalid.
        """
        if self._found_s < max(since_s, time.monotonic() - _FRESH_S):
            try:
                async with asyncio.timeout(_LONGEST_S if self._addresses else None):
                    await asyncio.wrap_future(self._lookup or self._start())
            except OSError as exc:  # also of the timeout
                if not self._addresses or exc.errno == socket.EAI_NONAME:
                    raise
        addresses = self._addresses
        first, self._attempts = self._attempts % len(addresses), self._attempts + 1
        return [*addresses[first:], *addresses[:first]]

    def _start(self) -> Future[None]:
        self._lookup = lookup = Future[None]()
        lookup.set_running_or_notify_cancel()  # no waiter can cancel it
        thread = threading.Thread(target=self._look_up, args=(lookup,), daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            self._lookup = None
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from exc
        return lookup

    def _look_up(self, lookup: Future[None]) -> None:
        try:
            infos = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM, flags=self._flags)
        except Exception as exc:  # noqa: BLE001  for the callers
            self._lookup = None
            lookup.set_exception(exc)
            return
        found = dict.fromkeys(_text(*address) for *_, address in infos)
        # In the known order: DNS may rotate them as well, and one would be the first each time.
        known = (address for address in self._addresses if address in found)
        self._addresses = [*dict.fromkeys((*known, *found))]
        self._found_s, self._lookup = time.monotonic(), None
        lookup.set_result(None)


name_of = lru_cache(_MOST_NAMES)(Name)
"""Return the name of a host; it is looked up with these flags of `getaddrinfo`."""


def _text(host: str | int, _: object, *of_ipv6: int) -> str:
    """Return a socket's address as text, without its port; one of IPv6 may have a scope."""
    return f"{host}%{of_ipv6[1]}" if any(of_ipv6[1:]) else str(host)
