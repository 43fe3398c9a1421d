"""Only one process at a time fetches the same thing: it holds a lease in the shared cache.

The lease is renewed for as long as the fetch takes. If its process dies, the others wait for the
rest of the lease, and no longer.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.store.shared import Found, Place, SharedCache

T = TypeVar("T")

_LEASE_S = 2.0
_RENEWED_AFTER_S = 0.7
_FIRST_POLL_S = 0.01
_LATER_POLLS_S = 0.1


@asynccontextmanager
async def turn(
    shared: SharedCache, place: Place, *, usable: Callable[[Found], T | None]
) -> AsyncIterator[T | None]:
    """Wait for this process's turn to fetch something, or for another process to store it.

    Yields what `usable` makes of the stored entry; None means: fetch it, and `put` it there.

    Raises:
        TimeoutError: the time is up, after waiting for another process.
    """
    began_s = shared.clock()
    found, lease, has_waited = await _wait(shared, place, usable, began_s)
    if found is not None:
        yield found
        return
    left_s = shared.turn_s - (shared.clock() - began_s) if has_waited else None
    if lease is None:
        async with asyncio.timeout(left_s):
            yield None
        return
    renewing = asyncio.create_task(lease.keep_renewing())
    try:
        async with asyncio.timeout(left_s):
            # Another process may have stored it after the last poll, and before the lease.
            yield await _usable(shared, place, usable)
    finally:
        renewing.cancel()
        await lease.release()


class _Lease:
    """The right to fetch what belongs in a place."""

    def __init__(self, shared: SharedCache, place: Place) -> None:
        self._shared = shared
        self._key = f"{place.name}:lease"
        self._token = secrets.token_bytes(16)

    async def take(self) -> bool:
        """Take it, unless another process has it, or the cache fails."""
        remote = self._shared.remote
        add = self._shared.attempt(lambda: remote.add(self._key, self._token, ttl=_LEASE_S))
        return bool(await add)

    async def drop_endless(self) -> None:
        """Delete one that never expires: it is not ours."""
        remote = self._shared.remote
        if await self._shared.attempt(lambda: remote.left_s(self._key)) == math.inf:
            await self._shared.attempt(lambda: remote.delete(self._key))

    async def keep_renewing(self) -> None:
        """Renew it until cancelled."""
        remote = self._shared.remote
        while True:
            await asyncio.sleep(_RENEWED_AFTER_S)
            await self._shared.attempt(lambda: remote.extend(self._key, self._token, ttl=_LEASE_S))

    async def release(self) -> None:
        """Give it back."""
        await self._shared.attempt(lambda: self._shared.remote.release(self._key, self._token))


async def _wait(
    shared: SharedCache, place: Place, usable: Callable[[Found], T | None], began_s: float
) -> tuple[T | None, _Lease | None, bool]:
    """Wait for the entry or the lease, or until the cache fails; tell whether there was a wait."""
    has_waited, poll_s = False, _FIRST_POLL_S
    while True:
        found = await _usable(shared, place, usable)
        lease = _Lease(shared, place)
        has_lease = found is None and await lease.take()
        if found is not None or has_lease or shared.outages.is_paused:
            return found, lease if has_lease else None, has_waited
        waited_s = shared.clock() - began_s
        if waited_s >= shared.turn_s:
            raise TimeoutError
        if waited_s >= _LEASE_S:
            await lease.drop_endless()
        await asyncio.sleep(poll_s)
        has_waited, poll_s = True, min(2 * poll_s, _LATER_POLLS_S)


async def _usable(
    shared: SharedCache, place: Place, usable: Callable[[Found], T | None]
) -> T | None:
    found = await shared.get(place)
    return None if found is None else usable(found)
