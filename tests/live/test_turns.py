"""Subscriptions take turns: their answers are large, and all of them wake up at the same time."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from gateway.caller import STRANGERS
from gateway.executor.turns import share_of
from gateway.schema import engine
from gateway.schema.engine import Answer
from tests.live.desk import Desk, caller, session

LIST = "subscription { chatSessions { customerName } }"
EVENTS = "subscription { chatSessionChanges { changes { session { customerName } } } }"
LARGE = 2 * 10**6


class Iterations:
    """Counts the answers that are encoded in each iteration of the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers, self.number = Counter[int](), 0
        self.encode = engine._encoded
        monkeypatch.setattr(engine, "_encoded", self.encoded)

    async def encoded(self, answer: Answer, state: int) -> Answer:
        """Encode an answer."""
        self.answers[self.number] += 1
        return await self.encode(answer, state)

    async def count(self) -> None:
        """Count iterations until cancelled."""
        while True:
            self.number += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("query", [LIST, EVENTS])
@pytest.mark.parametrize("is_equal", [True, False], ids=["equal", "different"])
async def test_large_answers_are_made_one_by_one(
    monkeypatch: pytest.MonkeyPatch, query: str, is_equal: bool
) -> None:
    """Neither the first answers nor later ones of a user's streams stop the event loop."""
    desk = Desk(interval_s=300, sessions=[session(1, CustomerName="x" * LARGE)])
    iterations = Iterations(monkeypatch)
    async with AsyncExitStack() as stack:
        counting = asyncio.create_task(iterations.count())
        stack.callback(counting.cancel)
        desk.is_answering.clear()
        screens = [
            await stack.enter_async_context(desk.screen(query + " " * (not is_equal) * number))
            for number in range(9)
        ]
        await asyncio.sleep(0.1)
        assert not iterations.answers
        desk.is_answering.set()
        for screen in screens:
            await screen.shows(1)
        desk.sessions = [session(1, CustomerName="y" * LARGE)]
        desk.notify()
        for screen in screens:
            await screen.shows(2)

    assert iterations.answers.total() in {10, 18}
    assert max(iterations.answers.values()) == 1


async def test_a_user_who_only_subscribes_is_known() -> None:
    """Its work and its unread answers are counted as its own, not as those of strangers."""
    desk = Desk()
    owner = desk.source.owner_of(caller("subscriber"))
    assert share_of(owner) == STRANGERS
    async with desk.screen(LIST, "subscriber") as screen:
        await screen.shows(1)

    assert share_of(owner) == owner
