"""Who is let through, who waits, in which order, and who is turned away."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import UpstreamNotCalledError
from gateway.upstream.gate import Gate


class Visitors:
    """Calls that go through a gate and stay until they are told to leave."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def come(self, *names: str) -> None:
        """Send some to the gate, in this order."""
        for name in names:
            self._leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._visit(name))
            await settle()

    async def leave(self, *names: str) -> None:
        """Let some that are inside go."""
        for name in names:
            self._leave[name].set()
        await settle()

    async def _visit(self, name: str) -> None:
        async with self.gate.slot():
            self.inside.append(name)
            try:
                await self._leave[name].wait()
            finally:
                self.inside.remove(name)


async def settle() -> None:
    """Let every task get as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def visitors() -> AsyncIterator[Visitors]:
    """Return nobody yet, before a gate with two slots and room for three to wait."""
    visitors = Visitors(Gate(slots=2, queue=3))
    yield visitors
    for task in visitors.tasks.values():
        task.cancel()
    await asyncio.gather(*visitors.tasks.values(), return_exceptions=True)
    assert (visitors.gate.busy, visitors.gate.waiting) == (0, 0)


async def test_as_many_as_there_are_slots_go_through(visitors: Visitors) -> None:
    """The others wait."""
    await visitors.come("a", "b", "c", "d")

    assert visitors.inside == ["a", "b"]
    assert (visitors.gate.busy, visitors.gate.waiting) == (2, 2)


async def test_a_free_slot_is_taken_without_a_turn_of_the_event_loop() -> None:
    """Nothing is scheduled where nothing has to wait."""
    gate = Gate(slots=1, queue=0)
    coroutine = gate.slot().__aenter__()

    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert gate.busy == 1


async def test_who_came_first_is_let_in_first(visitors: Visitors) -> None:
    """Every slot that is given back goes to the head of the line."""
    await visitors.come("a", "b", "c", "d", "e")
    await visitors.leave("b")
    assert visitors.inside == ["a", "c"]

    await visitors.leave("a", "c")

    assert visitors.inside == ["d", "e"]


async def test_nobody_slips_in_before_those_who_wait(visitors: Visitors) -> None:
    """A slot that was given back is not free for who comes in the same moment."""
    await visitors.come("a", "b", "c")
    visitors._leave["a"].set()
    await asyncio.sleep(0)  # `a` has left, and `c` does not know yet
    await visitors.come("d")

    assert visitors.inside == ["b", "c"]


async def test_who_finds_the_line_full_is_turned_away(visitors: Visitors) -> None:
    """At once, and with a word on when to come back."""
    await visitors.come("a", "b", "c", "d", "e", "f")

    with pytest.raises(UpstreamNotCalledError, match="Too many calls wait") as caught:
        await visitors.tasks["f"]
    assert caught.value.extensions == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 1}


async def test_without_a_line_nobody_waits() -> None:
    """Zero is a length, too."""
    visitors = Visitors(Gate(slots=1, queue=0))
    await visitors.come("a", "b")
    await visitors.leave("a")

    with pytest.raises(UpstreamNotCalledError):
        await visitors.tasks["b"]


async def test_who_gives_up_leaves_no_hole(visitors: Visitors) -> None:
    """Those behind move up, and there is room for one more."""
    await visitors.come("a", "b", "c", "d", "e")
    visitors.tasks["c"].cancel()
    await settle()
    await visitors.come("f")
    await visitors.leave("a", "b")

    assert visitors.inside == ["d", "e"]
    assert visitors.gate.waiting == 1


async def test_a_slot_that_comes_together_with_the_cancellation_is_handed_on(
    visitors: Visitors,
) -> None:
    """It would be lost otherwise, once and for all."""
    await visitors.come("a", "b", "c", "d")
    visitors._leave["a"].set()
    await asyncio.sleep(0)  # `c` has been given the slot, and has not run yet
    visitors.tasks["c"].cancel()
    await settle()

    assert visitors.inside == ["b", "d"]


async def test_a_slot_that_nobody_wants_is_free_again(visitors: Visitors) -> None:
    """Also when the last in line has just given up."""
    await visitors.come("a", "b", "c")
    visitors.tasks["c"].cancel()
    visitors._leave["a"].set()
    await settle()

    assert (visitors.gate.busy, visitors.gate.waiting) == (1, 0)


async def test_a_deadline_can_pass_in_the_line(visitors: Visitors) -> None:
    """Whoever waits under a time limit is let go in time."""
    await visitors.come("a", "b")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await visitors.gate.slot().__aenter__()
    assert visitors.gate.waiting == 0


async def test_an_error_inside_gives_the_slot_back() -> None:
    """However a call ends."""
    gate = Gate(slots=1, queue=0)
    with pytest.raises(ZeroDivisionError):
        async with gate.slot():
            raise ZeroDivisionError

    assert gate.busy == 0


async def test_a_free_slot_goes_to_the_caller_that_holds_the_fewest() -> None:
    """However many calls of another one wait already."""
    gate, order, leave = Gate(slots=2, queue=9), [], asyncio.Event()

    async def visit(caller: str) -> None:
        async with gate.slot(caller):
            order.append(caller)
            await leave.wait()

    async with gate.slot("noisy"):
        tasks = [asyncio.create_task(visit(caller)) for caller in ("noisy",) * 3 + ("quiet",)]
        await settle()
    leave.set()
    await asyncio.gather(*tasks)

    assert order == ["noisy", "quiet", "noisy", "noisy"]
    assert (gate.busy, gate.waiting) == (0, 0)


async def test_in_a_full_queue_the_caller_with_the_most_places_loses_one() -> None:
    """Its last one; it cannot have others turned away, only itself."""
    gate = Gate(slots=1, queue=3)

    async def visit(caller: str) -> str:
        async with gate.slot(caller):
            return caller

    async with gate.slot("noisy"):
        tasks = [asyncio.create_task(visit(caller)) for caller in ("noisy",) * 4 + ("quiet",)]
        await settle()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(one, UpstreamNotCalledError) for one in ended] == [0, 0, 1, 1, 0]


async def test_an_eighth_of_the_slots_is_for_callers_that_hold_none() -> None:
    """So that these need not wait until another's slow calls end."""
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


async def test_of_a_crowd_the_newest_goes_first_and_the_oldest_loses_its_place() -> None:
    """Many hide behind its name: a flood must not keep a newcomer waiting."""
    gate, order = Gate(slots=1, queue=3, crowd=""), []

    async def visit(number: int) -> None:
        async with gate.slot():
            order.append(number)

    async with gate.slot("known"):
        tasks = [asyncio.create_task(visit(number)) for number in range(5)]
        await settle()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert order == [4, 3, 2]
    assert [isinstance(one, UpstreamNotCalledError) for one in ended] == [1, 1, 0, 0, 0]
