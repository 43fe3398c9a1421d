"""Load shedding: past `max_requests`, answer 503 so that admitted requests keep their latency.

Cached answers and WebSockets are not counted, and a stream only until its first part. The limits on
connections and on unsent bytes close connections instead.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.caller import STRANGERS
from gateway.errors import UpstreamUnavailableError
from gateway.observe.operations import ANONYMOUS
from gateway.web.access_record import AccessRecord
from gateway.web.respond.errors import error_response
from gateway.web.response_cache import CachedAnswer

logger = logging.getLogger(__name__)

_CALM_S = 60


@dataclass(slots=True)
class _Limit:
    """An upper limit; refusals are counted, and logged once per burst."""

    most: int
    clock: Callable[[], float] = time.monotonic
    shed: int = 0
    _exceeded_s: float = float("-inf")

    def _log(self, message: str) -> None:
        """Log with the limit, unless it was exceeded within the last minute."""
        now_s = self.clock()
        if now_s - self._exceeded_s > _CALM_S:
            logger.warning(message, self.most)
        self._exceeded_s = now_s


def _overloaded() -> UpstreamUnavailableError:
    return UpstreamUnavailableError("The gateway is overloaded; retry later.", retry_after_s=1)


def _refusal() -> CachedAnswer:
    response = error_response(_overloaded())
    body = bytes(response.body)
    record = AccessRecord(ANONYMOUS, _overloaded().code, sent_bytes=len(body))
    return CachedAnswer(response.status_code, tuple(response.raw_headers), body, record)


@dataclass(slots=True, eq=False)
class Admitted:
    """A request in progress."""

    share: str
    cancel: Callable[[Exception], object]
    """Ends it with an error."""

    has_login: bool
    """Whether it has credentials, accepted or not."""

    _of: "Admission"

    def set_waiting(self, is_waiting: bool) -> None:
        """Note whether it waits for SuperOffice: then it is not evicted."""
        if is_waiting:
            self._of.evictable.pop(self, None)
        elif self.share == STRANGERS:
            self._of.evictable[self] = None

    def evict(self) -> None:
        """End it for a newer one."""
        self.leave()
        self._of.shed += 1
        self.cancel(_overloaded())

    def leave(self) -> None:
        """Stop counting the request, unless that was done already."""
        if self in self._of.admitted:
            self._of.evictable.pop(self, None)
            self._of.admitted.remove(self)
            self._of.of_callers[self.share] -= 1
            if not self._of.of_callers[self.share]:
                del self._of.of_callers[self.share]


@dataclass(slots=True)
class Admission(_Limit):
    """Counts the requests in progress, and refuses those past the limit.

    A caller may have as many places as are free: alone half of them, one of two callers a third.
    All unauthenticated clients are one caller. For a request past their share, the oldest of theirs
    that does not wait for SuperOffice is ended, first those without a login: otherwise a few slow
    ones would keep new callers out.
    """

    admitted: set[Admitted] = field(default_factory=set)
    of_callers: Counter[str] = field(default_factory=Counter)
    evictable: dict[Admitted, None] = field(default_factory=dict)
    """Requests of unauthenticated clients that do not wait for SuperOffice, the oldest first."""

    refusal: CachedAnswer = field(default_factory=_refusal)
    """The 503 that our own server sends itself."""

    @property
    def in_progress(self) -> int:
        """The number of requests in progress."""
        return len(self.admitted)

    def refuses_next(self, share: str) -> bool:
        """Return whether a caller's next request is refused; logged once per burst."""
        if self.in_progress >= self.most:
            self._log("%d requests are in progress: more get 503")
        elif self._has_share(share) and not (share == STRANGERS and self.evictable):
            self._log("one caller has its share of %d requests in progress: its next ones get 503")
        else:
            return False
        return True

    def _has_share(self, share: str) -> bool:
        return self.of_callers[share] >= self.most - len(self.admitted)

    def check(self, share: str) -> None:
        """Refuse a caller's next request, if it is past the limit.

        Raises:
            UpstreamUnavailableError: it is.
        """
        if self.refuses_next(share):
            self.shed += 1
            raise _overloaded()

    @contextmanager
    def admit(
        self, share: str, cancel: Callable[[Exception], object], *, has_login: bool = False
    ) -> Iterator[Admitted]:
        """Count a caller's request while it is in progress; `cancel` ends it with an error.

        Raises:
            UpstreamUnavailableError: it is past the limit.
        """
        self.check(share)
        if self._has_share(share):
            self._log(
                "unauthenticated clients have their share of %d places: the oldest requests get 503"
            )
            min(self.evictable, key=lambda request: request.has_login).evict()
        request = Admitted(share, cancel, has_login, self)
        self.admitted.add(request)
        self.of_callers[share] += 1
        request.set_waiting(False)
        try:
            yield request
        finally:
            request.leave()


@dataclass(slots=True)
class ConnectionLimit(_Limit):
    """The limit on open connections."""

    open: Collection[object] = ()

    def is_exceeded(self, connections: Collection[object]) -> bool:
        """Return whether the newest of the open connections exceeds the limit."""
        self.open = connections
        if len(connections) <= self.most:
            return False
        self.shed += 1
        self._log("%d connections are open: new ones replace those without a whole request")
        return True


class Connection(Protocol):
    """A connection of our own server."""

    transport: asyncio.Transport

    @property
    def unsent_bytes(self) -> int:
        """The size of everything that its client has not read."""


@dataclass(slots=True)
class UnsentLimit(_Limit):
    """The limit on the bytes of answers that their clients have not read yet."""

    most: int = 128 * 2**20
    _callers: dict[Connection, str] = field(default_factory=dict)
    """The callers whose connections have unsent bytes, by connection."""

    def add(self, connection: Connection, caller: str) -> None:
        """Add a connection with unsent bytes; past the limit, reset some connections.

        The caller with the most unsent bytes loses the connection with the most of them.
        """
        self._callers[connection] = caller
        sizes = {slow: slow.unsent_bytes for slow in self._callers}
        while sum(sizes.values()) > self.most:
            of_callers = Counter[str]()
            for slow, size in sizes.items():
                of_callers[self._callers[slow]] += size
            most = max(of_callers, key=of_callers.__getitem__)
            of_most = [slow for slow in sizes if self._callers[slow] == most]
            largest = max(of_most, key=sizes.__getitem__)
            del sizes[largest], self._callers[largest]
            largest.transport.abort()
            self.shed += 1
            self._log("%d bytes of answers wait for slow clients: some are disconnected")

    def discard(self, connection: Connection) -> None:
        """Forget a connection: its client has read its answers, or it is closed."""
        self._callers.pop(connection, None)
