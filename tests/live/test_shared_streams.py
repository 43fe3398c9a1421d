"""Streams that several readers share, and equal subscriptions over them."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from gateway.live.shared_streams import SharedStreams
from gateway.schema.engine import Answer, Engine
from tests.live.desk import Desk, Screen, session
from tests.waiting import until

LIST = "subscription { chatSessions { status } }"


class Stream:
    """A source of streams whose items a test sends; counts them."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[str | None]] = []
        self.ended = 0
        self.streams = SharedStreams[str]()

    async def start(self) -> AsyncGenerator[str, None]:
        """Yield its number, then the items of the test, until None."""
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
        """Return a new reader."""
        return self.streams.read(key, self.start)


async def test_a_later_reader_starts_with_its_own_first_item() -> None:
    """A later reader gets its own first item, then the items of the shared stream."""
    stream = Stream()
    async with aclosing(stream.read()) as one, aclosing(stream.read()) as two:
        assert [await anext(one), await anext(two)] == ["stream 1", "stream 2"]
        # The second reader's own stream has ended.
        assert (stream.ended, stream.streams.joined) == (1, 1)
        stream.queues[0].put_nowait("news")
        assert [await anext(one), await anext(two)] == ["news", "news"]

    await until(lambda: stream.ended == 2)
    assert stream.streams.joined == 0


async def test_a_reader_that_leaves_does_not_end_the_stream() -> None:
    """A reader, also the first one, can leave a stream; the last one ends it."""
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
    """A slow reader gets the latest item only, and the last one before the end."""
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


async def test_a_failure_ends_the_stream_for_all_readers() -> None:
    """All readers get the failure; the next reader starts a new stream, though one is slow."""
    stream = Stream()
    async with aclosing(stream.read()) as one, aclosing(stream.read()) as slow:
        await anext(one)
        await anext(slow)
        stream.queues[0].put_nowait("failure")
        with pytest.raises(OSError, match="failure"):
            await anext(one)
        async with aclosing(stream.read()) as again:
            assert await anext(again) == "stream 3"
            stream.queues[2].put_nowait("news")
            assert await anext(again) == "news"
        with pytest.raises(OSError, match="failure"):
            await anext(slow)


async def test_each_key_has_its_own_stream() -> None:
    """Streams of different keys share nothing."""
    stream = Stream()
    async with aclosing(stream.read("a")) as one, aclosing(stream.read("b")) as two:
        await anext(one)
        await anext(two)
        stream.queues[0].put_nowait("for a")
        stream.queues[1].put_nowait("for b")

        assert [await anext(one), await anext(two)] == ["for a", "for b"]


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that gets the result of each executed subscription."""
    results: list[object] = []
    original = Engine._each

    async def recording(*arguments: object) -> AsyncGenerator[Answer, None]:
        async for answer in original(*arguments):  # type: ignore[arg-type]
            results.append(answer.body)
            yield answer

    monkeypatch.setattr(Engine, "_each", recording)
    return results


async def test_equal_subscriptions_of_a_caller_are_executed_once(executions: list[object]) -> None:
    """Equal subscriptions of a caller are executed once for each change."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        screens: list[Screen] = []
        for user in ("kari", "jonas") * 10:
            screens.append(await stack.enter_async_context(desk.screen(LIST, user)))
            await screens[-1].shows(1)
        initial_count = len(executions)
        desk.sessions = [session(1, "Closed")]
        desk.notify()
        for screen in screens:
            assert await screen.shows(2) == [{"status": "CLOSED"}]

        assert (initial_count, len(executions) - initial_count) == (20, 2)
        assert desk.watchers.subscribers == 20
    assert sorted(desk.calls) == ["jonas", "jonas", "kari", "kari"]


async def test_other_variables_are_another_subscription(executions: list[object]) -> None:
    """Subscriptions differ by text, operation and variables, whose order does not count."""
    desk = Desk(interval_s=300)
    query = """
    subscription A($limit: Int, $offset: Boolean = true) {
      chatSessions(limit: $limit) { status @include(if: $offset) }
    }
    subscription B { chatSessions { chatSessionId } }
    """
    options: list[dict[str, Any]] = [
        {"operation_name": "A", "variables": {"limit": 1, "offset": True}},
        {"operation_name": "A", "variables": {"offset": True, "limit": 1}},
        {"operation_name": "A", "variables": {"limit": 0}},
        {"operation_name": "B"},
    ]
    async with AsyncExitStack() as stack:
        screens = [await stack.enter_async_context(desk.screen(query, **more)) for more in options]
        for screen in screens:
            await screen.shows(1)
        initial_count = len(executions)
        desk.sessions = [session(2, "Closed")]
        desk.notify()
        for screen in (screens[0], screens[1], screens[3]):
            await screen.shows(2)
        await until(lambda: len(executions) == initial_count + 3)

    assert [screen.answers[-1] for screen in screens] == [
        [{"status": "CLOSED"}],
        [{"status": "CLOSED"}],
        [],
        [{"chatSessionId": 2}],
    ]


async def test_waiting_screens_keep_no_answers_in_memory() -> None:
    """Thousands of waiting screens keep no answers, which are large, in memory."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        for query in (LIST, LIST, "subscription { chatSessionChanges { isInitial } }"):
            screen = await stack.enter_async_context(desk.screen(query))
            await screen.shows(1)
        gc.collect()

        assert [item for item in gc.get_objects() if isinstance(item, Answer)] == []


async def test_no_variables_are_equal_to_an_empty_object(executions: list[object]) -> None:
    """Clients send either, so it does not make equal subscriptions different."""
    desk = Desk(interval_s=300)
    async with AsyncExitStack() as stack:
        for number in range(5):
            screen = desk.screen(LIST, variables={} if number % 2 else None)
            await (await stack.enter_async_context(screen)).shows(1)
        initial_count = len(executions)
        desk.sessions = [session(1, "Closed")]
        desk.notify()
        await until(lambda: len(executions) > initial_count)

        assert desk.watchers.streams.joined == 4


async def test_a_refusal_is_sent_once() -> None:
    """Equal subscriptions that are refused at the same time have one error each."""
    desk = Desk()
    query = "subscription ($limit: Int) { chatSessions(limit: $limit) { status } }"
    wrong = {"limit": "two"}
    async with (
        desk.screen(query, variables=wrong) as one,
        desk.screen(query, variables=wrong) as two,
    ):
        await until(lambda: one.is_over and two.is_over)

    assert one.codes == two.codes == ["BAD_USER_INPUT"]


async def test_the_error_that_ends_a_stream_is_never_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error that ends a stream also reaches a reader that started with a later state."""
    is_refused, started = asyncio.Event(), 0

    async def answers(*_: object) -> AsyncGenerator[Answer, None]:
        nonlocal started
        started += 1
        if started > 1:
            yield Answer({"data": {"": 7}}, json=b"7", digest=b"7", state=7)
            return
        yield Answer({"data": {"": 5}}, json=b"5", digest=b"5", state=5)
        await is_refused.wait()
        errors = [{"extensions": {"code": "FORBIDDEN"}}]
        yield Answer({"data": {"": None}, "errors": errors}, json=b"-", digest=b"-", state=5)

    monkeypatch.setattr(Engine, "_each", answers)
    desk = Desk()
    async with desk.screen(LIST) as one:
        await until(lambda: started == 1)
        async with desk.screen(LIST) as two:
            await until(lambda: started == 2)
            is_refused.set()
            await until(lambda: one.is_over and two.is_over)

    assert one.codes == two.codes == ["FORBIDDEN"]
