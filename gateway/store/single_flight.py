"""Single flight: whoever asks for the same thing at the same time shares one answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Flights"]

T = TypeVar("T")


class Flights(Generic[T]):
    """Runs at most one call per key at a time and gives its outcome to everybody who waits.

    A waiter who gives up (a client that hangs up) leaves the flight to the others; a flight whose
    last waiter has left still lands, so that its answer can be kept.
    """

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        """Wait for the flight of `key`, starting it with `call` where none is under way.

        Raises:
            Exception: whatever `call` raised, for every waiter alike.
        """
        flight = self.start(key, call)
        # Not `shield`: from Python 3.14 on it logs the failure that a cancelled waiter missed.
        await asyncio.wait((flight,))
        return flight.result()

    def start(self, key: str, call: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
        """Start the flight of `key`, where none is under way, without waiting for it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(_run(call))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def cancel(self) -> None:
        """Give up what is under way: at the end, when nobody waits any more."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: str, flight: "asyncio.Task[T]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen, so that a flight everybody left is not reported as lost


async def _run(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
