"""Watchers: each polls one caller's sessions, for all subscriptions of that caller.

A caller has one watcher and one series of REST calls, for any number of sockets and operations. A
subscriber gets the latest state, then each newer one; states that a slow subscriber misses are not
queued. A filter on seconds is an alarm: its subscriber gets the same state again, as of a later
second, without a poll.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from gateway.caller import NETWORK, Caller
from gateway.errors import UpstreamError, UpstreamRejectionError
from gateway.live.changes import Comparison
from gateway.live.pace import LONGEST_AFTER_FAILURE_S, Pace, Rhythm
from gateway.live.shared_streams import SharedStreams
from gateway.live.state import SECOND_NS, Alarm, State
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Source
from gateway.store.single_flight import cancel_all

_LEAST_BETWEEN_REFRESHES_S = 1.0


@dataclass(eq=False, repr=False)
class Watcher:
    """Polls one caller's sessions."""

    source: Source
    caller: Caller
    key: str
    pace: Pace
    compare: Comparison
    network: str = field(default_factory=NETWORK.get)
    """That of the first subscriber."""

    task: asyncio.Task[None] = field(init=False)
    subscribers: int = 0
    failure: Exception | None = None
    _state: State | None = None
    _error: UpstreamError | None = None
    """The error of the latest poll, if it failed."""

    _retry_ns: float = 0
    """After a failed poll: the time from which a new subscriber causes another one."""

    _is_news: asyncio.Event = field(default_factory=asyncio.Event)
    _is_woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def states(self, alarm: Alarm) -> AsyncGenerator[State | UpstreamError, None]:
        """Yield the latest state; again when there is a newer one, or when the alarm is due.

        With no usable first state, yield the error once.

        Raises:
            UpstreamError: SuperOffice rejects the caller's credentials.
        """
        seen: State | UpstreamError | None = None
        await self._catch_up()
        if self._error and self.now_ns() > self._retry_ns:
            self.wake()  # SuperOffice may answer again
        while True:
            if self.failure is not None:
                raise self.failure
            latest = self._first() if seen is None else self._state
            wait_s = alarm.wait_s(self.now_ns()) if latest else None
            if wait_s == 0 and latest is seen:
                await self._catch_up()
                if self._state is not latest:
                    continue
            if latest and (latest is not seen or wait_s == 0):
                # After an error, only newer states are yielded.
                seen = latest if isinstance(latest, State) else self._state or latest
                alarm.due_ns = None
                yield latest
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._is_news.wait()

    async def _catch_up(self) -> None:
        """Use what the caller's queries saw since the last poll: newer sessions, or a rejection."""
        state, rejected_ns = self._state, self.source.rejected_ns(self.caller)
        if state and self._error is None:
            cached = self.source.cache.peek(self.key)  # even past its TTL, it may be newer
        else:
            fresh = self.source.peek(self.key)
            cached = fresh and fresh.snapshot
        since_ns = state.snapshot.as_of.fetched_ns if state else 0
        if cached and cached.as_of.fetched_ns > since_ns and cached.requested_ns > rejected_ns:
            await self._take(cached)
        elif state and state.snapshot.requested_ns <= rejected_ns:
            self._state = None  # until the poll, there is nothing to show
            self.wake()

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970."""
        return self.source.clock_ns()

    def _first(self) -> State | UpstreamError | None:
        """Return the first state, or error, for a new subscriber."""
        state, error = self._state, self._error
        if state is None or error is None:
            return state or error
        age_ns = self.now_ns() - state.snapshot.as_of.fetched_ns
        return state if age_ns <= self.pace.rhythm.quiet_s * SECOND_NS else error

    def wake(self) -> None:
        """Poll now: something has changed."""
        self._is_woken.set()

    async def run(self) -> None:
        """Poll until cancelled, or until SuperOffice rejects the caller."""
        NETWORK.set(self.network)
        try:
            while True:
                wait_s = await self._poll()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._is_woken.wait()
        except Exception as exc:  # noqa: BLE001  every subscriber has to get it
            self.failure = exc
            self._notify()

    async def _poll(self) -> float:
        """Read the sessions, and return how long to wait afterwards."""
        is_first, is_woken = self._state is None, self._is_woken.is_set()
        self._is_woken.clear()
        self._retry_ns = math.inf  # this poll is for those who subscribe meanwhile, too
        # A query may have read the sessions just now; its snapshot is recent enough.
        max_age_s = None if is_first else self.pace.rhythm.interval_s / 2
        try:
            served = await self.source.serve(
                self.caller, key=self.key, max_age_s=max_age_s, is_poll=True
            )
        except UpstreamRejectionError:
            raise
        except UpstreamError as exc:
            # It has been logged. Subscribers keep the latest state until a poll succeeds.
            self._error = exc
            self._notify()
            waited_s = min(exc.retry_after_s or 0, LONGEST_AFTER_FAILURE_S)
            await asyncio.sleep(waited_s)
            self._retry_ns = self.now_ns() + self.pace.rhythm.interval_s * SECOND_NS
            return self.pace.after_failure(waited_s, is_repeated=not is_woken)
        has_changed = await self._take(served.snapshot)
        if has_changed and not (is_first or is_woken or self._is_woken.is_set()):
            self.pace.rhythm.is_notified = False  # nobody announced it: webhooks may have stopped
        wait_s = self.pace.after_success(has_changed=has_changed)
        return max(0.0, wait_s - served.age_s())

    async def _take(self, snapshot: Snapshot) -> bool:
        """Make a snapshot the latest state, and return whether anything has changed."""
        before, self._error = self._state, None
        self._state = State(snapshot, self.compare)
        self._notify()
        return before is None or not (await self._state.since(before)).is_quiet

    def _notify(self) -> None:
        was, self._is_news = self._is_news, asyncio.Event()
        was.set()


class Watchers:
    """The watchers of a process: one for each caller with subscriptions."""

    def __init__(self, source: Source, *, rhythm: Rhythm, compare: Comparison) -> None:
        self._source, self._rhythm, self._compare = source, rhythm, compare
        self.streams: SharedStreams[Any] = SharedStreams()
        """The streams of answers that equal subscriptions of a caller share."""

        self._watchers: dict[str, Watcher] = {}
        self._refreshed_s, self._received_ns = float("-inf"), 0
        self._planned: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watchers)

    @property
    def subscribers(self) -> int:
        """The number of subscriptions."""
        watching = sum(watcher.subscribers for watcher in list(self._watchers.values()))
        return watching + self.streams.joined

    @asynccontextmanager
    async def watching(self, caller: Caller, key: str | None = None) -> AsyncIterator[Watcher]:
        """Subscribe to the caller's watcher; it stops when its last subscriber leaves.

        `key` is the key of the caller's snapshot, if it is known already.
        """
        key = key or self._source.key_of(caller)
        watcher = self._watchers.get(key)
        if watcher is None or watcher.failure is not None:
            watcher = Watcher(self._source, caller, key, Pace(self._rhythm), self._compare)
            self._watchers[key] = watcher
            # A context of its own: it outlives the request that started it.
            watcher.task = asyncio.create_task(watcher.run(), context=Context())
        watcher.subscribers += 1
        try:
            yield watcher
        finally:
            watcher.subscribers -= 1
            if not watcher.subscribers:
                watcher.task.cancel()
                del watcher.task  # once cancelled, it holds the frame that holds the watcher
                if self._watchers.get(key) is watcher:
                    del self._watchers[key]

    def poll(self) -> None:
        """Poll now, and more often from now on: notifications may have been lost."""
        self.refresh(self._source.clock_ns(), is_all=False)

    def refresh(self, received_ns: int, *, is_all: bool = True) -> None:
        """Invalidate all snapshots from before `received_ns`, and poll: something has changed.

        `is_all` says whether this process is notified of every change. There is at most one refresh
        a second, so that a busy desk does not cost a REST call for every message.
        """
        self._rhythm.is_notified = is_all
        self._received_ns = max(self._received_ns, received_ns)
        if self._planned is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._refreshed_s + _LEAST_BETWEEN_REFRESHES_S - loop.time()
        if wait_s > 0:
            self._planned = loop.call_later(wait_s, self._refresh)
        else:
            self._refresh()

    def _refresh(self) -> None:
        self._planned = None
        self._refreshed_s = asyncio.get_running_loop().time()
        self._source.invalidate(self._received_ns)
        for watcher in self._watchers.values():
            watcher.wake()

    async def close(self) -> None:
        """Stop all watchers."""
        if self._planned is not None:
            self._planned.cancel()
        await cancel_all(watcher.task for watcher in self._watchers.values())
