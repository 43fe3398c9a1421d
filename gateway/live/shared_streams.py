"""Streams that several readers share, so that each item is made once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Start = Callable[[], AsyncGenerator[T, None]]


@dataclass(slots=True, eq=False)
class _Stream(Generic[T]):
    task: asyncio.Task[None] = field(init=False)
    unread: dict[object, T | None] = field(default_factory=dict)
    """The latest item for each reader; items that a slow reader misses are not queued."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the next item or the end, and then replaced."""

    failure: Exception | None = None

    async def run(self, start: Start[T]) -> None:
        """Hand each item to all readers; then signal the end."""
        try:
            async with aclosing(start()) as items:
                async for item in items:
                    self.unread = dict.fromkeys(self.unread, item)
                    self._notify()
                    del item
        except Exception as exc:  # noqa: BLE001  every reader has to get it
            self.failure = exc
        finally:
            self._notify()

    def _notify(self) -> None:
        was, self.news = self.news, asyncio.Event()
        was.set()


class SharedStreams(Generic[T]):
    """The streams, by key; each ends when its last reader leaves."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, _Stream[T]] = {}

    @property
    def joined(self) -> int:
        """The number of readers that joined an existing stream."""
        return sum(len(stream.unread) - 1 for stream in list(self._streams.values()))

    async def read(self, key: Hashable, start: Start[T]) -> AsyncGenerator[T, None]:
        """Yield the items of `start`, from one stream for all readers of the key.

        A reader that joins later first gets the first item of a new stream, since a first item
        depends on the time. The shared items that follow may be older.
        """
        stream, reader = self._streams.get(key), object()
        if is_first := stream is None or stream.task.done():
            self._streams[key] = stream = _Stream()
            # A context of its own: it outlives the request that started it.
            stream.task = asyncio.create_task(stream.run(start), context=Context())
        stream.unread[reader] = item = None
        try:
            if not is_first:
                async with aclosing(start()) as own:
                    item = await anext(own, None)
            while item is not None or not stream.task.done():
                if item is not None:
                    yield item
                else:
                    await stream.news.wait()
                # No item is kept: they are large, and thousands of readers wait for the next one.
                item, stream.unread[reader] = stream.unread[reader], None
            if stream.failure is not None:
                raise stream.failure.with_traceback(None)
        finally:
            del stream.unread[reader]
            if not stream.unread:
                stream.task.cancel()
                del stream.task  # once cancelled, it holds the frame that holds the stream
                if self._streams.get(key) is stream:
                    del self._streams[key]
