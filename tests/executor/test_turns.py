"""Long work gives way: one part of it per turn of the event loop, however many do it."""

import asyncio
from typing import Any

import orjson
import pytest

from gateway.executor.turns import STEPS_PER_TURN, Turns, accept, in_turns, work_for


async def between_turns(*works: Any) -> list[int]:
    """Run some works and return how many parts were done between any two turns of the loop."""
    parts = [0]
    running = asyncio.gather(*(work(parts) for work in works))
    while not running.done():
        await asyncio.sleep(0)
        parts.append(0)
    await running
    return parts


def of_parts(number: int) -> Any:
    """Return work that takes a turn for each of its parts."""

    async def work(parts: list[int]) -> None:
        turns = Turns()
        for _ in range(number):
            await turns.give(STEPS_PER_TURN)
            parts[-1] += 1

    return work


async def test_one_part_runs_per_turn_however_many_works_there_are() -> None:
    """Twenty requests that each do a little would hold the loop as one that does much."""
    parts = await between_turns(*[of_parts(3)] * 20)

    assert max(parts) == 1
    assert sum(parts) == 60


async def test_an_ordinary_request_fits_between_two_parts() -> None:
    """It takes several turns of the loop itself."""
    parts = await between_turns(*[of_parts(3)] * 2)

    between = "".join(map(str, parts)).strip("0").split("1")[1:-1]
    assert min(map(len, between)) >= 8


async def test_a_work_that_is_given_up_holds_no_other() -> None:
    """Its turn is passed on."""
    waiting = asyncio.create_task(Turns().give(STEPS_PER_TURN))
    await asyncio.sleep(0)
    waiting.cancel()

    assert sum(await between_turns(of_parts(2))) == 2
    assert waiting.cancelled()


def test_a_little_work_waits_for_nothing() -> None:
    """Ordinary requests take no turn at all."""
    work = Turns().give(STEPS_PER_TURN - 1)

    with pytest.raises(StopIteration):
        work.send(None)


@pytest.mark.parametrize("length", [3, 300, 30_000])
async def test_a_long_list_is_made_in_parts_and_the_longest_as_json(length: int) -> None:
    """Encoding a list takes long too, so that is done part by part; the text is the same."""
    sizes: list[int] = []

    async def make(start: int, end: int) -> list[object]:
        part = list(range(start, min(end, length)))
        sizes.append(len(part))
        return [*part]

    made = await in_turns(make, length, 10, Turns())

    assert orjson.loads(orjson.dumps(made)) == list(range(length))
    assert max(sizes) * 10 <= STEPS_PER_TURN
    assert isinstance(made, orjson.Fragment) == (length == 30_000)


async def finished_after(caller: str, crowd: int) -> int:
    """Return how many parts of a crowd were done when a caller's three were."""
    done = 0

    async def work(whose: str, parts: int) -> None:
        nonlocal done
        work_for(whose)
        for _ in range(parts):
            await Turns().give(STEPS_PER_TURN)
            done += whose != caller

    others = [asyncio.create_task(work("somebody without a login", 3)) for _ in range(crowd)]
    await asyncio.sleep(0)
    await asyncio.create_task(work(caller, 3))
    found = done
    await asyncio.gather(*others)
    return found


async def test_turns_are_shared_out_by_caller() -> None:
    """However many requests strangers send, a known caller has every second turn."""
    accept("kari")

    assert await finished_after("kari", crowd=100) <= 4
    assert await finished_after("nobody knows her", crowd=100) >= 200


async def test_many_works_that_are_given_up_cost_no_turns() -> None:
    """Clients can begin and give up operations faster than the turns come."""
    accept("kari")
    given_up = [asyncio.create_task(Turns().give(STEPS_PER_TURN)) for _ in range(1_000)]
    await asyncio.sleep(0)
    for work in given_up:
        work.cancel()
    loops = 0

    async def counting() -> None:
        nonlocal loops
        while True:
            await asyncio.sleep(0)
            loops += 1

    counter = asyncio.create_task(counting())
    await Turns().give(STEPS_PER_TURN)
    counter.cancel()

    assert loops < 40
