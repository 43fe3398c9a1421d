"""Single flight: equal calls at the same time share one result."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_CANCEL_AGAIN_S = 1


async def cancel_all(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks until all have ended: a library can swallow a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        await asyncio.gather(*ended, return_exceptions=True)


class Flights(Generic[T]):
    """Runs at most one call per key at a time and gives its outcome to all that wait for it.

    Cancelling a waiter (its client disconnects) does not cancel the call, not even for the last
    waiter: the result can still be cached.
    """

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, call: Callable[[], Coroutine[object, object, T]]) -> T:
        """Wait for the call of `key`, starting it with `call` unless one is in progress.

        Raises:
            Exception: the one that `call` raised, for every waiter.
        """
        flight = self.start(key, call)
        # Not `shield`: from Python 3.14 on it logs the failure that a cancelled waiter missed.
        await asyncio.wait((flight,))
        return flight.result()

    def start(
        self, key: str, call: Callable[[], Coroutine[object, object, T]]
    ) -> "asyncio.Task[T]":
        """Start the call of `key`, unless one is in progress, without waiting for it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(call())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def cancel(self) -> None:
        """Cancel all calls, at shutdown."""
        await cancel_all(self._flights.values())

    def _land(self, key: str, flight: "asyncio.Task[T]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # retrieved: asyncio would log it if no waiter is left
