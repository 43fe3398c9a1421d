"""Commands that share round trips."""

import asyncio
from collections.abc import Sequence

from gateway.store.batches import Batches


async def test_what_comes_meanwhile_goes_together() -> None:
    """In order, and no more than so many; each gets its own reply."""
    sent: list[list[int]] = []

    async def send(commands: Sequence[int]) -> list[int]:
        sent.append([*commands])
        await asyncio.sleep(0)
        return [10 * command for command in commands]

    batches = Batches(send, most=3)
    replies = [batches.add(0)]
    await asyncio.sleep(0)
    replies += [batches.add(number) for number in range(1, 6)]
    replies[2].cancel()
    await batches.finish()

    assert sent == [[0], [1, 2, 3], [4, 5]]
    assert [reply.result() for reply in replies if not reply.cancelled()] == [0, 10, 30, 40, 50]
    await batches.finish()
