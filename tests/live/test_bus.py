"""Telling the other processes."""

import asyncio

from gateway.live.bus import LocalBus, News


async def test_whoever_listens_hears_what_is_published() -> None:
    """Until it stops listening."""
    bus, heard = LocalBus(), list[News | None]()
    listening = asyncio.create_task(bus.listen(heard.append))
    await asyncio.sleep(0)

    await bus.publish(News("Cust1", 1))
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await bus.publish(News("Cust1", 2))

    assert heard == [News("Cust1", 1)]
