"""Single flight: equal calls at the same time share one result."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")


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
            Exception: whatever `call` raised, for every waiter.
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
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: str, flight: "asyncio.Task[T]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # retrieved: asyncio would log it where no waiter is left
