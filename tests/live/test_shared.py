"""Streams that readers have in common, and equal subscriptions over them."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from gateway.live.shared import Shared
from gateway.schema.engine import Answer, Engine
from tests.live.desk import Desk, Screen, session
from tests.waiting import until

LIST = "subscription { chatSessions { status } }"


class Stream:
    """What a test lets all streams yield; counts how many there are."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[str | None]] = []
        self.ended = 0
        self.shared = Shared[str]()

    async def start(self) -> AsyncGenerator[str, None]:
        """Yield its number, and then what a test says, up to the end."""
        queue = asyncio.Queue[str | None]()
        self.queues.append(queue)
        try:
            yield f"stream {len(self.queues)}"
            while (item := await queue.get()) is not None:
                if item == "failure":
                    raise OSError(item)
                yield item
        finally:
            self.ended += 1

    def read(self, key: object = "key") -> AsyncGenerator[str, None]:
        """Read like any other reader."""
        return self.shared.read(key, self.start)


async def test_a_later_reader_begins_with_an_item_of_its_own() -> None:
    """What comes after that is for all."""
    stream = Stream()
    async with aclosing(stream.read()) as one, aclosing(stream.read()) as two:
        assert [await anext(one), await anext(two)] == ["stream 1", "stream 2"]
        assert (stream.ended, stream.shared.joined) == (1, 1)  # the second's own is over
        stream.queues[0].put_nowait("news")
        assert [await anext(one), await anext(two)] == ["news", "news"]

    await until(lambda: stream.ended == 2)
    assert stream.shared.joined == 0


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    """Not even the one that the stream began with; the last one ends it."""
    stream = Stream()
    one, two = stream.read(), stream.read()
    await anext(one)
    await anext(two)
    await one.aclose()
    stream.queues[0].put_nowait("news")

    assert await anext(two) == "news"
    await two.aclose()
    await until(lambda: stream.ended == 2)
    async with aclosing(stream.read()) as again:
        assert await anext(again) == "stream 3"


async def test_a_slow_reader_gets_the_latest_item() -> None:
    """Those before it are not queued; the last one comes before the end."""
    stream = Stream()
    async with aclosing(stream.read()) as quick, aclosing(stream.read()) as slow:
        await anext(quick)
        await anext(slow)
        for item in ("one", "two", "three"):
            stream.queues[0].put_nowait(item)
            assert await anext(quick) == item
        stream.queues[0].put_nowait(None)

        assert [item async for item in slow] == ["three"]
        assert [item async for item in quick] == []


async def test_a_failure_is_for_all() -> None:
    """And the next reader begins anew, even while others have not left yet."""
    stream = Stream()
    async with aclosing(stream.read()) as one, aclosing(stream.read()) as two:
        await anext(one)
        await anext(two)
        stream.queues[0].put_nowait("failure")
        for reader in (one, two):
            with pytest.raises(OSError, match="failure"):
                await anext(reader)
        async with aclosing(stream.read()) as again:
            assert await anext(again) == "stream 3"


async def test_other_keys_have_other_streams() -> None:
    """Nothing is shared between them."""
    stream = Stream()
    async with aclosing(stream.read("a")) as one, aclosing(stream.read("b")) as two:
        await anext(one)
        await anext(two)
        stream.queues[0].put_nowait("for a")
        stream.queues[1].put_nowait("for b")

        assert [await anext(one), await anext(two)] == ["for a", "for b"]


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the results of subscriptions that were executed, as they come."""
    found: list[object] = []
    each = Engine._each

    async def counted(*arguments: object) -> AsyncGenerator[Answer, None]:
        async for answer in each(*arguments):  # type: ignore[arg-type]
            found.append(answer.body)
            yield answer

    monkeypatch.setattr(Engine, "_each", counted)
    return found


async def test_equal_subscriptions_of_a_caller_are_executed_once(executions: list[object]) -> None:
    """For each of them at its beginning, and then once for all; other callers do not matter."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        screens: list[Screen] = []
        for user in ("kari", "jonas") * 10:
            screens.append(await stack.enter_async_context(desk.screen(LIST, user)))
            await screens[-1].shows(1)
        began = len(executions)
        desk.sessions = [session(1, "Closed")]
        desk.hear()
        for screen in screens:
            assert await screen.shows(2) == [{"status": "CLOSED"}]

        assert (began, len(executions) - began) == (20, 2)
        assert desk.watchers.subscribers == 20
    assert sorted(desk.calls) == ["jonas", "jonas", "kari", "kari"]


async def test_other_variables_are_another_subscription(executions: list[object]) -> None:
    """As are another text and another operation; the order of variables is none."""
    desk = Desk(interval_s=300)
    query = """
    subscription A($limit: Int, $offset: Boolean = true) {
      chatSessions(limit: $limit) { status @include(if: $offset) }
    }
    subscription B { chatSessions { chatSessionId } }
    """
    chosen: list[dict[str, Any]] = [
        {"operation_name": "A", "variables": {"limit": 1, "offset": True}},
        {"operation_name": "A", "variables": {"offset": True, "limit": 1}},
        {"operation_name": "A", "variables": {"limit": 0}},
        {"operation_name": "B"},
    ]
    async with AsyncExitStack() as stack:
        screens = [await stack.enter_async_context(desk.screen(query, **more)) for more in chosen]
        for screen in screens:
            await screen.shows(1)
        began = len(executions)
        desk.sessions = [session(2, "Closed")]
        desk.hear()
        for screen in (screens[0], screens[1], screens[3]):
            await screen.shows(2)
        await until(lambda: len(executions) == began + 3)

    assert [screen.answers[-1] for screen in screens] == [
        [{"status": "CLOSED"}],
        [{"status": "CLOSED"}],
        [],
        [{"chatSessionId": 2}],
    ]


async def test_waiting_screens_hold_no_answers() -> None:
    """There are thousands of them, and answers are large."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        for query in (LIST, LIST, "subscription { chatSessionChanges { isInitial } }"):
            screen = await stack.enter_async_context(desk.screen(query))
            await screen.shows(1)
        gc.collect()

        assert [found for found in gc.get_objects() if isinstance(found, Answer)] == []


async def test_a_variable_that_is_not_declared_is_no_difference(executions: list[object]) -> None:
    """It means nothing, and would be a way to have everything executed many times."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        for number in range(5):
            screen = desk.screen(LIST, variables={"undeclared": number})
            await (await stack.enter_async_context(screen)).shows(1)
        began = len(executions)
        desk.sessions = [session(1, "Closed")]
        desk.hear()
        await until(lambda: len(executions) > began)

        assert desk.watchers.shared.joined == 4


async def test_the_error_that_ends_a_stream_is_never_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even where a reader has begun with a later state, from a watcher that came after."""
    refused, began = asyncio.Event(), 0

    async def answers(*_: object) -> AsyncGenerator[Answer, None]:
        nonlocal began
        began += 1
        if began > 1:
            yield Answer({"data": {"": 7}}, json=b"7", digest=b"7", state=7)
            return
        yield Answer({"data": {"": 5}}, json=b"5", digest=b"5", state=5)
        await refused.wait()
        errors = [{"extensions": {"code": "FORBIDDEN"}}]
        yield Answer({"data": {"": None}, "errors": errors}, json=b"-", digest=b"-", state=5)

    monkeypatch.setattr(Engine, "_distinct", answers)
    desk = Desk()
    async with desk.screen(LIST) as one:
        await until(lambda: began == 1)
        async with desk.screen(LIST) as two:
            await until(lambda: began == 2)
            refused.set()
            await until(lambda: one.is_over and two.is_over)

    assert one.codes == two.codes == ["FORBIDDEN"]
