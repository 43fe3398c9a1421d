"""Long work yields: one part per turn of the event loop, however many tasks work."""

import asyncio
import tracemalloc
from typing import Any
from unittest.mock import AsyncMock

import graphql
import orjson
import pytest

from gateway.executor import projections, turns
from gateway.executor.projections import variables_in
from gateway.executor.turns import STEPS_PER_TURN, Turns, accept, work_for
from gateway.schema.engine import Engine, Operation
from tests.schema.asking import SCHEMA, RestAnswered


async def between_turns(*works: Any) -> list[int]:
    """Run several works, and return the number of parts between any two turns of the loop."""
    parts = [0]
    running = asyncio.gather(*(work(parts) for work in works))
    while not running.done():
        await asyncio.sleep(0)
        parts.append(0)
    await running
    return parts


def work_of_parts(number: int) -> Any:
    """Return work that takes a turn for each part."""

    async def work(parts: list[int]) -> None:
        turns = Turns()
        for _ in range(number):
            await turns.spend(STEPS_PER_TURN)
            parts[-1] += 1

    return work


async def test_one_part_runs_per_turn_with_any_number_of_works() -> None:
    """Twenty small works block the loop no longer than one."""
    parts = await between_turns(*[work_of_parts(3)] * 20)

    assert max(parts) == 1
    assert sum(parts) == 60


async def test_an_ordinary_request_fits_between_two_parts() -> None:
    """Between two parts the loop has enough turns for an ordinary request."""
    parts = await between_turns(*[work_of_parts(3)] * 2)

    between = "".join(map(str, parts)).strip("0").split("1")[1:-1]
    assert min(map(len, between)) >= 8


async def test_a_cancelled_work_passes_its_turn_on() -> None:
    """The turn of a cancelled work is passed on."""
    waiting = asyncio.create_task(Turns().spend(STEPS_PER_TURN))
    await asyncio.sleep(0)
    waiting.cancel()

    assert sum(await between_turns(work_of_parts(2))) == 2
    assert waiting.cancelled()


def test_a_small_work_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary request takes no turn."""
    monkeypatch.setattr(Turns, "steps_of_all", 0)
    work = Turns().spend(STEPS_PER_TURN - 1)

    with pytest.raises(StopIteration):
        work.send(None)


async def waits(turns: Turns) -> bool:
    """Spend 500 steps; return whether they waited."""
    work = asyncio.create_task(turns.spend(500))
    await asyncio.sleep(0)
    is_waiting = not work.done()
    await work
    return is_waiting


async def test_short_work_waits_only_for_other_work_of_the_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests of the past, however many, delay nobody."""
    monkeypatch.setattr(Turns, "steps_of_all", 0)
    for _ in range(1_000):
        await Turns().spend(300)
    request = Turns()

    assert [await waits(request) for _ in range(15)] == [True] + [False] * 14


async def test_long_work_waits_among_long_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside many short requests, too, a caller's long answers are made one after the other."""
    short, long = Turns(), Turns()
    await long.spend(STEPS_PER_TURN)

    for request, has_to_wait in ((short, True), (long, False)):
        monkeypatch.setattr(Turns, "steps_of_all", 10**9)
        assert await waits(request) is has_to_wait


@pytest.mark.parametrize(
    ("topic", "count"), [(4, 3_000), ("odd", 1_000)], ids=["projected", "by graphql-core"]
)
async def test_a_long_list_is_made_in_turns_and_encoded_item_by_item(
    topic: object, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make or encode the whole answer at once would block the event loop."""
    counted = AsyncMock()
    monkeypatch.setattr(turns, "next_turn", counted)
    operation = Operation(SCHEMA.documents.find("{ chatSessions { id topicId } }"))
    context = RestAnswered(orjson.dumps([{"TopicId": topic}] * count))
    tracemalloc.start()

    result = await Engine(SCHEMA).run(graphql.execute, operation, context)

    held_bytes = tracemalloc.get_traced_memory()[0]
    items = result.data["chatSessions"]
    assert len(items) == count
    assert {type(item) for item in items} == {orjson.Fragment}
    assert counted.await_count >= 3
    items.clear()
    freed_bytes = held_bytes - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert freed_bytes < 1_000 * count  # an encoder's own buffer takes 4 kB for any item


async def test_the_lists_of_introspection_are_made_item_by_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Strangers' answers are half-made together: a task for each type took 10 MB for a query."""
    lists = " ".join(f"t{i}: types {{ fields {{ args {{ name }} }} }}" for i in range(9))
    operation = Operation(SCHEMA.documents.find(f"{{ __schema {{ {lists} }} }}"))
    tasks = []

    async def counted() -> None:
        tasks.append(len(asyncio.all_tasks()))
        await asyncio.sleep(0)

    monkeypatch.setattr(turns, "next_turn", counted)

    await Engine(SCHEMA).run(graphql.execute, operation, None)

    assert len(tasks) > 9
    assert max(tasks) < 30


async def test_root_fields_that_spread_a_fragment_are_prepared_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large fragment is searched for variables in a turn for each root field that spreads it."""
    fields = " ".join(f"chat{i}: chatSession(chatSessionId: {i}) {{ ...F }}" for i in range(9))
    query = f"{{ {fields} }} fragment F on ChatSession {{ topicId }}"
    operation = Operation(SCHEMA.documents.find(query))
    assert not operation.errors
    served = type("Context", (RestAnswered,), {"served": None})

    async def work(parts: list[int]) -> None:
        def search(*arguments: Any) -> set[str]:
            parts[-1] += 1
            return variables_in(*arguments)

        monkeypatch.setattr(projections, "variables_in", search)
        prepared = SCHEMA.prepared(operation.document, None)
        assert prepared is not None
        await prepared.execute(served(b"[]"), None)

    parts = await between_turns(work)
    assert (max(parts), sum(parts)) == (1, 9)


async def finished_after(caller: str, crowd: int) -> int:
    """Return the number of a crowd's parts that were done when a caller's three were."""
    done = 0

    async def work(name: str, parts: int) -> None:
        nonlocal done
        work_for(name)
        for _ in range(parts):
            await Turns().spend(STEPS_PER_TURN)
            done += name != caller

    others = [asyncio.create_task(work("an unauthenticated client", 3)) for _ in range(crowd)]
    await asyncio.sleep(0)
    await asyncio.create_task(work(caller, 3))
    count = done
    await asyncio.gather(*others)
    return count


async def test_turns_alternate_between_callers() -> None:
    """An accepted caller has every second turn, however many requests others send."""
    accept("kari")

    assert await finished_after("kari", crowd=100) <= 4
    assert await finished_after("an unknown caller", crowd=100) >= 200


async def test_cancelled_works_cost_no_turns() -> None:
    """Clients that start and cancel many operations take no turns from others."""
    accept("kari")
    cancelled = [asyncio.create_task(Turns().spend(STEPS_PER_TURN)) for _ in range(1_000)]
    await asyncio.sleep(0)
    for work in cancelled:
        work.cancel()
    loops = 0

    async def count_loops() -> None:
        nonlocal loops
        while True:
            await asyncio.sleep(0)
            loops += 1

    counter = asyncio.create_task(count_loops())
    await Turns().spend(STEPS_PER_TURN)
    counter.cancel()

    assert loops < 40


@pytest.mark.parametrize(("caller", "most"), [("kari", 1), ("an unauthenticated client", 20)])
async def test_a_known_callers_works_are_done_one_after_the_other(caller: str, most: int) -> None:
    """Only one of its answers is half-made at a time: those of large data take much memory."""
    accept("kari")
    at_work, largest = set[int](), 0

    async def work(number: int) -> None:
        nonlocal largest
        work_for(caller)
        for _ in range(3):
            await Turns().spend(STEPS_PER_TURN)
            at_work.add(number)  # a part is made
            largest = max(largest, len(at_work))
        at_work.remove(number)

    await asyncio.gather(*(work(number) for number in range(20)))

    assert largest == most
