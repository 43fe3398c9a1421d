"""The bus that carries news between processes."""

from gateway.live.bus import Bus, News


async def test_a_listener_gets_later_news() -> None:
    """A listener gets the news that is published after it has started."""
    bus, received = Bus(), list[News | None]()
    await bus.publish(News("Cust1", 1))

    await bus.listen(received.append)
    await bus.publish(News("Cust1", 2))

    assert received == [News("Cust1", 2)]


def test_a_bus_may_not_receive_all_news() -> None:
    """One of several workers without Redis gets only the webhooks that reach it."""
    assert Bus().receives_all
    assert not Bus(receives_all=False).receives_all
