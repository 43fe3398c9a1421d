"""The queue for REST calls: slots, order, fairness and refusal."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.caller import NETWORK, STRANGERS
from gateway.errors import UpstreamUnavailableError
from gateway.upstream.gate import Gate
from tests.waiting import settle


class Calls:
    """Calls that go through a gate and hold a slot until they are told to end."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.running: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._may_end: dict[str, asyncio.Event] = {}

    async def start(self, *names: str) -> None:
        """Start calls in this order."""
        for name in names:
            self._may_end[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._call(name))
            await settle()

    async def end(self, *names: str) -> None:
        """End calls that hold a slot."""
        for name in names:
            self._may_end[name].set()
        await settle()

    async def _call(self, name: str) -> None:
        async with self.gate.slot(name):
            self.running.append(name)
            try:
                await self._may_end[name].wait()
            finally:
                self.running.remove(name)


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    """Return no calls yet, for a gate with two slots and a queue of three."""
    calls = Calls(Gate(slots=2, queue=3))
    yield calls
    for task in calls.tasks.values():
        task.cancel()
    await asyncio.gather(*calls.tasks.values(), return_exceptions=True)
    assert (calls.gate.busy, calls.gate.waiting) == (0, 0)


async def test_calls_up_to_the_slots_run(calls: Calls) -> None:
    """As many calls run as there are slots, and the others wait."""
    await calls.start("a", "b", "c", "d")

    assert calls.running == ["a", "b"]
    assert (calls.gate.busy, calls.gate.waiting) == (2, 2)


async def test_a_free_slot_is_taken_without_a_turn_of_the_event_loop() -> None:
    """Otherwise each call would wait behind all other tasks that can run."""
    gate = Gate(slots=1, queue=0)
    coroutine = gate.slot("a").__aenter__()

    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert gate.busy == 1


async def test_calls_run_in_the_order_of_their_arrival(calls: Calls) -> None:
    """A freed slot goes to the first call in the queue."""
    await calls.start("a", "b", "c", "d", "e")
    await calls.end("b")
    assert calls.running == ["a", "c"]

    await calls.end("a", "c")

    assert calls.running == ["d", "e"]


async def test_a_new_call_does_not_overtake_the_queue(calls: Calls) -> None:
    """A freed slot belongs to the queue, also before the waiting call has run."""
    await calls.start("a", "b", "c")
    calls._may_end["a"].set()
    await asyncio.sleep(0)  # `a` has ended, and `c` has not run yet
    await calls.start("d")

    assert calls.running == ["b", "c"]


async def test_a_call_past_the_queue_is_refused(calls: Calls) -> None:
    """A call past the end of the queue is refused with a Retry-After."""
    await calls.start("a", "b", "c", "d", "e", "f")

    with pytest.raises(UpstreamUnavailableError, match="Too many calls wait") as caught:
        await calls.tasks["f"]
    assert not caught.value.call_was_made
    assert caught.value.extensions == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 1}


async def test_without_a_queue_calls_are_refused() -> None:
    """With a queue of 0, calls are refused when no slot is free."""
    calls = Calls(Gate(slots=1, queue=0))
    await calls.start("a", "b")
    await calls.end("a")

    with pytest.raises(UpstreamUnavailableError):
        await calls.tasks["b"]


async def test_a_cancelled_call_leaves_the_queue(calls: Calls) -> None:
    """A cancelled call leaves the queue, so that there is room for another."""
    await calls.start("a", "b", "c", "d", "e")
    calls.tasks["c"].cancel()
    await settle()
    await calls.start("f")
    await calls.end("a", "b")

    assert calls.running == ["d", "e"]
    assert calls.gate.waiting == 1


async def test_a_slot_for_a_cancelled_call_is_passed_on(
    calls: Calls,
) -> None:
    """A slot that a cancelled call had just got is passed on."""
    await calls.start("a", "b", "c", "d")
    calls._may_end["a"].set()
    await asyncio.sleep(0)  # `c` has been given the slot, and has not run yet
    calls.tasks["c"].cancel()
    await settle()

    assert calls.running == ["b", "d"]


async def test_a_slot_for_the_last_cancelled_call_is_free(calls: Calls) -> None:
    """A slot is free if the last call in the queue was cancelled."""
    await calls.start("a", "b", "c")
    calls.tasks["c"].cancel()
    calls._may_end["a"].set()
    await settle()

    assert (calls.gate.busy, calls.gate.waiting) == (1, 0)


async def test_a_deadline_ends_the_wait(calls: Calls) -> None:
    """A deadline ends the wait in the queue."""
    await calls.start("a", "b")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await calls.gate.slot("c").__aenter__()
    assert calls.gate.waiting == 0


async def test_a_failed_call_frees_its_slot() -> None:
    """A call that raises an exception frees its slot."""
    gate = Gate(slots=1, queue=0)
    with pytest.raises(ZeroDivisionError):
        async with gate.slot("a"):
            raise ZeroDivisionError

    assert gate.busy == 0


async def test_a_free_slot_goes_to_the_caller_with_the_fewest() -> None:
    """A free slot goes to the caller with the fewest slots, however many calls of others wait."""
    gate, order, end = Gate(slots=2, queue=9), [], asyncio.Event()

    async def visit(caller: str) -> None:
        async with gate.slot(caller):
            order.append(caller)
            await end.wait()

    async with gate.slot("noisy"):
        tasks = [asyncio.create_task(visit(caller)) for caller in ("noisy",) * 3 + ("quiet",)]
        await settle()
    end.set()
    await asyncio.gather(*tasks)

    assert order == ["noisy", "quiet", "noisy", "noisy"]
    assert (gate.busy, gate.waiting) == (0, 0)


async def test_in_a_full_queue_the_caller_with_the_most_places_loses_one() -> None:
    """In a full queue, the caller with the most places loses its last one."""
    gate = Gate(slots=1, queue=3)

    async def visit(caller: str) -> str:
        async with gate.slot(caller):
            return caller

    async with gate.slot("noisy"):
        tasks = [asyncio.create_task(visit(caller)) for caller in ("noisy",) * 4 + ("quiet",)]
        await settle()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(one, UpstreamUnavailableError) for one in ended] == [0, 0, 1, 1, 0]


async def test_an_eighth_of_the_slots_is_for_callers_that_hold_none() -> None:
    """An eighth of the slots is reserved for callers without any slot."""
    gate = Gate(slots=8, queue=20)

    async def visit(caller: str) -> None:
        async with gate.slot(caller):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(visit("noisy")) for _ in range(20)]
    await settle()
    assert (gate.busy, gate.waiting) == (7, 13)

    async with asyncio.timeout(1), gate.slot("quiet"):
        assert gate.busy == 8
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (gate.busy, gate.waiting) == (0, 0)
    assert not gate._held  # there may be any number of callers over time


async def test_among_unauthenticated_callers_the_newest_goes_first() -> None:
    """Unauthenticated callers share one name: the newest goes first, the oldest is refused."""
    gate, order = Gate(slots=1, queue=3), []

    async def visit(number: int) -> None:
        async with gate.slot(STRANGERS):
            order.append(number)

    async with gate.slot("known"):
        tasks = [asyncio.create_task(visit(number)) for number in range(5)]
        await settle()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert order == [4, 3, 2]
    assert [isinstance(one, UpstreamUnavailableError) for one in ended] == [1, 1, 0, 0, 0]


async def test_networks_of_unauthenticated_callers_take_turns() -> None:
    """The network with the fewest slots is next; the one with the most places loses its oldest."""
    gate, order = Gate(slots=2, queue=4), []

    async def visit(name: str) -> None:
        NETWORK.set(name[0])
        async with gate.slot(STRANGERS):
            order.append(name)
            await asyncio.sleep(0)

    async with gate.slot("known"), gate.slot("known"):
        tasks = [asyncio.create_task(visit(name)) for name in ("a1", "a2", "b1", "b2", "a3", "a4")]
        await settle()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert order == ["b2", "a4", "b1", "a3"]
    assert [isinstance(one, UpstreamUnavailableError) for one in ended] == [1, 1, 0, 0, 0, 0]
    assert not gate._held


async def test_networks_that_hold_no_slot_take_turns() -> None:
    """A network with many new calls is next only once, even if there is a single slot."""
    gate, order = Gate(slots=1, queue=4), []

    async def visit(name: str) -> None:
        NETWORK.set(name[0])
        async with gate.slot(STRANGERS):
            order.append(name)

    async with gate.slot("known"):
        tasks = [asyncio.create_task(visit(name)) for name in ("a1", "b1", "a2", "a3")]
        await settle()
    await asyncio.gather(*tasks)

    assert order == ["a3", "b1", "a2", "a1"]


async def test_a_refused_call_that_is_cancelled_at_once_gives_back_no_slot() -> None:
    """A call that lost its place in the queue never held a slot."""
    gate = Gate(slots=1, queue=2)

    async def call(share: str) -> None:
        async with gate.slot(share):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(call(share)) for share in "abb"]
    await settle()
    tasks.append(asyncio.create_task(call("c")))
    await asyncio.sleep(0)  # it has taken the place of the third call, which does not know yet
    tasks[2].cancel()
    await settle()

    assert (gate.busy, gate.waiting) == (1, 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (gate.busy, gate.waiting) == (0, 0)
