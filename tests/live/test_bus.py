"""Telling the other processes."""

from gateway.live.bus import Bus, News


async def test_whoever_listens_hears_what_is_published() -> None:
    """From then on."""
    bus, heard = Bus(), list[News | None]()
    await bus.publish(News("Cust1", 1))

    await bus.listen(heard.append)
    await bus.publish(News("Cust1", 2))

    assert heard == [News("Cust1", 2)]


def test_one_of_several_workers_knows_that_it_does_not_hear_all() -> None:
    """A webhook reaches whichever of them takes the connection."""
    assert Bus().receives_all
    assert not Bus(receives_all=False).receives_all
