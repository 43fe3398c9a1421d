"""Single flight: one call at a time for each key, shared by all waiters."""

import asyncio
import gc
from dataclasses import dataclass, field

import pytest

from gateway.store.single_flight import Flights
from tests.waiting import settle


@dataclass
class Call:
    """A call that ends when `may_end` is set, and counts its starts."""

    outcome: str | Exception = "answer"
    started: int = 0
    cancelled: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> str:
        """Wait, then return or raise the outcome."""
        self.started += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def join(flights: Flights[str], call: Call, *keys: str) -> list["asyncio.Task[str]"]:
    """Start a waiter for each key."""
    return [asyncio.create_task(flights.join(key, call)) for key in keys]


async def test_many_waiters_share_one_call() -> None:
    """A hundred waiters share one call and its outcome."""
    flights, call = Flights[str](), Call()
    waiters = join(flights, call, *["a"] * 100)
    await settle()

    call.may_end.set()

    assert await asyncio.gather(*waiters) == ["answer"] * 100
    assert call.started == 1


async def test_each_key_has_its_own_call() -> None:
    """A caller never gets the result of another one."""
    flights, call = Flights[str](), Call()
    call.may_end.set()

    await asyncio.gather(*join(flights, call, "a", "b", "a", "b"))

    assert call.started == 2


async def test_a_finished_call_is_not_cached() -> None:
    """A later request starts a new call, as caching is another module's task."""
    flights, call = Flights[str](), Call()
    call.may_end.set()

    await flights.join("a", call)
    await flights.join("a", call)

    assert call.started == 2


async def test_all_waiters_get_the_failure() -> None:
    """All waiters get the same exception."""
    flights, call = Flights[str](), Call(ValueError("no"))
    waiters = join(flights, call, *["a"] * 3)
    await settle()

    call.may_end.set()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)

    assert outcomes == [call.outcome] * 3
    assert call.started == 1


async def test_a_failure_is_not_cached() -> None:
    """After a failure the next request starts a new call."""
    flights, call = Flights[str](), Call(ValueError("no"))
    call.may_end.set()
    with pytest.raises(ValueError, match="no"):
        await flights.join("a", call)
    call.outcome = "answer"

    assert await flights.join("a", call) == "answer"


async def test_a_cancelled_first_waiter_does_not_cancel_the_call() -> None:
    """The call continues for others if the waiter that started it is cancelled."""
    flights, call = Flights[str](), Call()
    first, *others = join(flights, call, *["a"] * 3)
    await settle()

    first.cancel()
    await settle()
    call.may_end.set()

    assert await asyncio.gather(*others) == ["answer"] * 2
    assert first.cancelled()
    assert call.started == 1


async def test_a_call_without_waiters_is_finished() -> None:
    """A call whose waiters were all cancelled is finished, so that its answer can be cached."""
    flights, call = Flights[str](), Call()
    (only,) = join(flights, call, "a")
    await settle()

    only.cancel()
    await settle()
    call.may_end.set()
    await settle()

    assert call.cancelled == 0
    assert await flights.join("a", call) == "answer"
    assert call.started == 2


async def test_a_new_waiter_joins_a_call_without_waiters() -> None:
    """A client that reloads the page joins the call that it had started before."""
    flights, call = Flights[str](), Call()
    (cancelled,) = join(flights, call, "a")
    await settle()
    cancelled.cancel()
    await settle()

    (new,) = join(flights, call, "a")
    call.may_end.set()

    assert await new == "answer"
    assert call.started == 1


async def test_a_failure_without_waiters_is_not_logged_by_asyncio() -> None:
    """An exception that is never retrieved would be logged by asyncio."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    flights, call = Flights[str](), Call(ValueError("no"))
    waiters = join(flights, call, "a")
    await settle()
    waiters[0].cancel()
    await settle()

    call.may_end.set()
    await settle()
    waiters.clear()  # its traceback refers to the call, and asyncio logs when the call is freed
    gc.collect()

    assert reported == []


async def test_cancel_cancels_calls_and_waiters() -> None:
    """At the end of the process calls and their waiters are cancelled."""
    flights, call = Flights[str](), Call()
    waiters = join(flights, call, "a", "b")
    await settle()

    await flights.cancel()
    await settle()

    assert call.cancelled == 2
    assert all(waiter.cancelled() for waiter in waiters)


async def test_cancel_without_calls_does_nothing() -> None:
    """Without a call `cancel` does nothing."""
    flights, call = Flights[str](), Call()
    call.may_end.set()

    await flights.cancel()

    assert await flights.join("a", call) == "answer"
