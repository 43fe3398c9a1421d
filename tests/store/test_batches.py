"""Batches of commands that share round trips."""

import asyncio
from collections.abc import Sequence

from gateway.store.batches import Batches
from gateway.store.commands import Command, Forget


async def test_commands_during_a_round_trip_share_the_next_one() -> None:
    """Commands keep their order, a batch has a largest size, and each gets its own reply."""
    sent: list[list[str]] = []

    async def send(commands: Sequence[Command]) -> list[str]:
        names = [command.name for command in commands]
        sent.append(names)
        await asyncio.sleep(0)
        return [f"reply to {name}" for name in names]

    batches = Batches(send, most=3)
    replies = [batches.add(Forget("0"))]
    await asyncio.sleep(0)
    replies += [batches.add(Forget(name)) for name in "12345"]
    replies[2].cancel()
    await batches.finish()

    assert sent == [["0"], ["1", "2", "3"], ["4", "5"]]
    results = [reply.result() for reply in replies if not reply.cancelled()]
    assert results == [f"reply to {name}" for name in "01345"]
    await batches.finish()
