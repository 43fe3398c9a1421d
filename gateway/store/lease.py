"""A lease in the shared cache: only its holder fetches an entry, and other processes wait.

The lease is renewed for as long as the fetch takes. If its process dies, the others wait for the
rest of the lease, and no longer.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from gateway.store.shared import Found, SharedCache, SharedKey

T = TypeVar("T")

_RENEWED_AFTER_S = 0.7
_FIRST_POLL_S = 0.01
_LATER_POLLS_S = 0.1
_NO_ENTRY_S = -1.0


class Lease(Generic[T]):
    """The right to fetch the entry of a key: if none was `found`, fetch and `store` it."""

    def __init__(self, shared: SharedCache, key: SharedKey) -> None:
        self.found: T | None = None
        self._shared = shared
        self._key = key
        self.token = secrets.token_bytes(16)
        self._renewing: asyncio.TimerHandle | None = None

    async def store(self, content: bytes, *, ttl_s: float, age_s: float) -> None:
        """Store what was fetched and release the lease, without waiting for Redis."""
        token = self._end()
        await self._shared.hand_over(self._key, content, token, ttl_s=ttl_s, age_s=age_s)

    def release(self) -> None:
        """Release the lease, if it is held."""
        self._shared.release(self._key, self._end())

    def renew_later(self) -> None:
        """Renew the lease until its end."""
        loop = asyncio.get_running_loop()
        self._renewing = loop.call_later(_RENEWED_AFTER_S, self._renew)

    def _renew(self) -> None:
        self._shared.extend(self._key, self.token)
        self.renew_later()

    def _end(self) -> bytes:
        """Stop renewing, and return the token of the lease."""
        if self._renewing is None:
            return b""
        self._renewing.cancel()
        self._renewing = None
        return self.token


@asynccontextmanager
async def leased(
    shared: SharedCache,
    key: SharedKey,
    *,
    usable: Callable[[Found], T | None],
    oldest_s: float = math.inf,
) -> AsyncIterator[Lease[T]]:
    """Wait until this process has the lease for a fetch, or another one has stored the entry.

    `usable` converts an entry that was no older than `oldest_s` at first, or was stored since;
    None: it cannot be used.

    Raises:
        TimeoutError: `lease_wait_s` has passed, after waiting for another process.
    """
    began_s, mine = shared.clock(), Lease[T](shared, key)
    age_s, poll_s, has_waited = oldest_s, _FIRST_POLL_S, False
    try:
        while True:
            result = await shared.look_up(key, token=mine.token, oldest_s=age_s)
            mine.found = usable(result.found) if result.found else None
            if result.has_lease:
                mine.renew_later()
            if mine.found is not None or result.has_lease or shared.outages.is_paused:
                break
            if result.found is not None or result.is_invalid:
                if age_s == _NO_ENTRY_S:  # the peer is not Redis
                    break
                # Take the lease as if there were no entry: its fetch has all of the time.
                age_s, has_waited = _NO_ENTRY_S, False
                continue
            if shared.clock() - began_s >= shared.lease_wait_s:
                raise TimeoutError
            await asyncio.sleep(poll_s)
            # An entry of the process that has the lease ages meanwhile.
            age_s, has_waited = oldest_s + shared.clock() - began_s, True
            poll_s = min(2 * poll_s, _LATER_POLLS_S)
        left_s = shared.lease_wait_s - (shared.clock() - began_s) if has_waited else None
        async with asyncio.timeout(None if mine.found else left_s):
            yield mine
    finally:
        mine.release()
