"""Single flight: one call under way per key, whoever waits for it."""

import asyncio
import gc
from dataclasses import dataclass, field

import pytest

from gateway.store.single_flight import Flights


@dataclass
class Call:
    """A call that lands when it is told to, and counts how often it took off."""

    outcome: str | Exception = "answer"
    started: int = 0
    cancelled: int = 0
    may_land: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> str:
        """Fly."""
        self.started += 1
        try:
            await self.may_land.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def everyone_waits() -> None:
    """Let every task go on until it has to wait."""
    for _ in range(5):
        await asyncio.sleep(0)


def board(flights: Flights[str], call: Call, *keys: str) -> list["asyncio.Task[str]"]:
    """Let someone wait for each of the keys."""
    return [asyncio.create_task(flights.join(key, call)) for key in keys]


async def test_many_waiters_share_one_call() -> None:
    """However many join, the call is made once and all get its outcome."""
    flights, call = Flights[str](), Call()
    waiters = board(flights, call, *["a"] * 100)
    await everyone_waits()

    call.may_land.set()

    assert await asyncio.gather(*waiters) == ["answer"] * 100
    assert call.started == 1


async def test_keys_fly_apart() -> None:
    """Each key has a flight of its own."""
    flights, call = Flights[str](), Call()
    call.may_land.set()

    await asyncio.gather(*board(flights, call, "a", "b", "a", "b"))

    assert call.started == 2


async def test_a_landed_flight_is_not_kept() -> None:
    """Whoever comes later starts anew: keeping answers is the cache's part."""
    flights, call = Flights[str](), Call()
    call.may_land.set()

    await flights.join("a", call)
    await flights.join("a", call)

    assert call.started == 2


async def test_a_failure_is_every_waiters() -> None:
    """All who waited see the same exception."""
    flights, call = Flights[str](), Call(ValueError("no"))
    waiters = board(flights, call, *["a"] * 3)
    await everyone_waits()

    call.may_land.set()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)

    assert outcomes == [call.outcome] * 3
    assert call.started == 1


async def test_a_failure_is_not_kept() -> None:
    """The next one to ask tries again."""
    flights, call = Flights[str](), Call(ValueError("no"))
    call.may_land.set()
    with pytest.raises(ValueError, match="no"):
        await flights.join("a", call)
    call.outcome = "answer"

    assert await flights.join("a", call) == "answer"


async def test_a_first_waiter_who_leaves_does_not_take_the_others_along() -> None:
    """The client that happened to start the call may hang up."""
    flights, call = Flights[str](), Call()
    first, *others = board(flights, call, *["a"] * 3)
    await everyone_waits()

    first.cancel()
    await everyone_waits()
    call.may_land.set()

    assert await asyncio.gather(*others) == ["answer"] * 2
    assert first.cancelled()
    assert call.started == 1


async def test_a_flight_lands_without_waiters() -> None:
    """When everybody has left, the call is still finished, and can be kept."""
    flights, call = Flights[str](), Call()
    (only,) = board(flights, call, "a")
    await everyone_waits()

    only.cancel()
    await everyone_waits()
    call.may_land.set()
    await everyone_waits()

    assert call.cancelled == 0
    assert await flights.join("a", call) == "answer"
    assert call.started == 2


async def test_a_newcomer_joins_a_flight_that_everybody_left() -> None:
    """A client that reloads the page gets the call that it had started before."""
    flights, call = Flights[str](), Call()
    (left,) = board(flights, call, "a")
    await everyone_waits()
    left.cancel()
    await everyone_waits()

    (back,) = board(flights, call, "a")
    call.may_land.set()

    assert await back == "answer"
    assert call.started == 1


async def test_a_failure_nobody_waits_for_is_not_reported_as_lost() -> None:
    """An exception that nobody has looked at would be logged by asyncio."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    flights, call = Flights[str](), Call(ValueError("no"))
    waiters = board(flights, call, "a")
    await everyone_waits()
    waiters[0].cancel()
    await everyone_waits()

    call.may_land.set()
    await everyone_waits()
    waiters.clear()  # its traceback holds the flight, and asyncio reports when that is let go
    gc.collect()

    assert reported == []


async def test_cancel_ends_what_is_under_way() -> None:
    """At the end of the process calls are given up, and waiters are told."""
    flights, call = Flights[str](), Call()
    waiters = board(flights, call, "a", "b")
    await everyone_waits()

    await flights.cancel()
    await everyone_waits()

    assert call.cancelled == 2
    assert all(waiter.cancelled() for waiter in waiters)


async def test_cancel_without_flights_does_nothing() -> None:
    """Most processes end while nothing is under way."""
    flights, call = Flights[str](), Call()
    call.may_land.set()

    await flights.cancel()

    assert await flights.join("a", call) == "answer"
