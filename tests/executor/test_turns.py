"""Long work gives way: one part of it per turn of the event loop, however many do it."""

import asyncio
from typing import Any

import orjson
import pytest

from gateway.executor.turns import STEPS_PER_TURN, Turns, in_turns


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
