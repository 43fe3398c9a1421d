"""Telling the other processes."""

import asyncio

from gateway.live.bus import LocalBus


async def test_whoever_listens_hears_what_is_published() -> None:
    """Until it stops listening."""
    bus, heard = LocalBus(), list[str]()
    listening = asyncio.create_task(bus.listen(heard.append))
    await asyncio.sleep(0)

    await bus.publish("one")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await bus.publish("two")

    assert heard == ["one"]
