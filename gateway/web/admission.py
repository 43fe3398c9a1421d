"""Load shedding: past `max_requests`, answer 503 so that admitted requests keep their latency.

Cached answers are not counted, nor are WebSockets. A stream counts until its first part: it may
last for hours.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from gateway.errors import UpstreamUnavailableError
from gateway.observe.operations import ANONYMOUS
from gateway.web.access_record import AccessRecord
from gateway.web.respond.errors import error_response
from gateway.web.response_cache import CachedAnswer

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

_CALM_S = 60


class Admission:
    """Counts the requests in work, and refuses those past the limit."""

    def __init__(self, max_requests: int, *, clock: Clock = time.monotonic) -> None:
        self.most = max_requests
        self.in_work = self.shed = 0
        self._burst = _Burst(clock)
        response = error_response(_overloaded())
        body = bytes(response.body)
        record = AccessRecord(ANONYMOUS, _overloaded().code, sent_bytes=len(body))
        self.refusal = CachedAnswer(response.status_code, tuple(response.raw_headers), body, record)
        """The 503, for a server that sends it itself."""

    def refuses_next(self) -> bool:
        """Return whether the next request is refused; logged once per burst."""
        if self.in_work < self.most:
            return False
        if self._burst.begins():
            logger.warning("%d requests in work: more get 503", self.most)
        return True

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Count a request while it is in work.

        Raises:
            UpstreamUnavailableError: there are too many.
        """
        if self.refuses_next():
            self.shed += 1
            raise _overloaded()
        self.in_work += 1
        try:
            yield
        finally:
            self.in_work -= 1


def _overloaded() -> UpstreamUnavailableError:
    return UpstreamUnavailableError("The gateway has too much to do; retry later.", retry_after_s=1)


class ConnectionLimit:
    """The most connections that may be open; what exceeds it is logged once per burst."""

    def __init__(self, max_connections: int, *, clock: Clock = time.monotonic) -> None:
        self.most = max_connections
        self.open: Collection[object] = ()
        self.shed = 0
        self._burst = _Burst(clock)

    def is_exceeded(self, connections: Collection[object]) -> bool:
        """Return whether the last one of the open connections is too many."""
        self.open = connections
        if len(connections) <= self.most:
            return False
        self.shed += 1
        if self._burst.begins():
            logger.warning("%d connections are open: those without a request make room", self.most)
        return True


class _Burst:
    """Events with less than a minute between them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = float("-inf")

    def begins(self) -> bool:
        """Note an event; return whether it is the first one of a burst."""
        now = self._clock()
        is_first = now - self._last > _CALM_S
        self._last = now
        return is_first
