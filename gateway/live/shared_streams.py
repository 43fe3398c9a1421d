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
class _Reader(Generic[T]):
    """Holds the latest item for a reader; items that a slow reader misses are not queued."""

    latest: T | None = None
    is_news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Stream(Generic[T]):
    task: asyncio.Task[None] = field(init=False)
    readers: set[_Reader[T]] = field(default_factory=set)
    failure: Exception | None = None
    is_over: bool = False

    async def run(self, start: Start[T]) -> None:
        """Hand each item to all readers; then signal the end."""
        try:
            async with aclosing(start()) as items:
                async for item in items:
                    for reader in self.readers:
                        reader.latest = item
                        reader.is_news.set()
                    del item
        except Exception as exc:  # noqa: BLE001  every reader has to get it
            self.failure = exc
        finally:
            self.is_over = True
            for reader in self.readers:
                reader.is_news.set()


class SharedStreams(Generic[T]):
    """The streams, by key; each ends when its last reader leaves."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, _Stream[T]] = {}

    @property
    def joined(self) -> int:
        """The number of readers that joined an existing stream."""
        return sum(len(stream.readers) - 1 for stream in list(self._streams.values()))

    async def read(self, key: Hashable, start: Start[T]) -> AsyncGenerator[T, None]:
        """Yield the items of `start`, from one stream for all readers of the key.

        A reader that joins later first gets the first item of a new stream, since a first item
        depends on the time. The shared items that follow may be older.
        """
        stream, reader = self._streams.get(key), _Reader[T]()
        is_first = stream is None or stream.is_over
        if stream is None or is_first:
            self._streams[key] = stream = _Stream()
            # A context of its own: it outlives the request that started it.
            stream.task = asyncio.create_task(stream.run(start), context=Context())
        stream.readers.add(reader)
        try:
            if not is_first:
                async with aclosing(start()) as own:
                    first = await anext(own, None)
                if first is not None:
                    yield first
                del first  # items are large, and thousands of readers wait for the next one
            while reader.latest is not None or not stream.is_over:
                await reader.is_news.wait()
                reader.is_news.clear()
                item, reader.latest = reader.latest, None
                if item is not None:
                    yield item
                del item
            if stream.failure is not None:
                raise stream.failure.with_traceback(None)
        finally:
            stream.readers.discard(reader)
            if not stream.readers:
                stream.task.cancel()
                if self._streams.get(key) is stream:
                    del self._streams[key]
