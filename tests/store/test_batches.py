"""Batches of commands that share round trips."""

import asyncio
import contextvars
from collections.abc import Sequence

from gateway.store.batches import Batches
from gateway.store.commands import Command


async def test_commands_during_a_round_trip_share_the_next_one() -> None:
    """Commands keep their order, a batch has a largest size, and each gets its own reply."""
    sent: list[list[str]] = []

    async def send(commands: Sequence[Command]) -> list[str]:
        names = [command.name for command in commands]
        sent.append(names)
        await asyncio.sleep(0)
        return [f"reply to {name}" for name in names]

    batches = Batches(send, most=3)
    replies = [batches.add("forget", "0")]
    await asyncio.sleep(0)
    replies += [batches.add("forget", name) for name in "12345"]
    replies[2].cancel()
    await batches.finish()

    assert sent == [["0"], ["1", "2", "3"], ["4", "5"]]
    results = [reply.result() for reply in replies if not reply.cancelled()]
    assert results == [f"reply to {name}" for name in "01345"]
    await batches.finish()


async def test_commands_are_sent_in_no_ones_context() -> None:
    """A failure is not logged with the id of the request whose command came first."""
    request_id = contextvars.ContextVar("request_id", default="none")
    seen: list[str] = []

    async def send(commands: Sequence[Command]) -> list[None]:
        seen.append(request_id.get())
        return [None] * len(commands)

    request_id.set("a request's")
    await Batches(send, most=3).add("forget", "0")

    assert seen == ["none"]
