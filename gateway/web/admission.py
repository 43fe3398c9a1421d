"""What is one too many is turned away at once, so that what was let in keeps its pace.

Requests to GraphQL get a 503 before their body is read; connections are closed. Our own server
sends that 503 itself, as it sends ready answers, which are never turned away.
"""

import logging
import time
from collections.abc import Callable

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import UpstreamUnavailableError
from gateway.observe.operations import ANONYMOUS
from gateway.web.access_record import Account, account_of
from gateway.web.middleware.request_log import RequestBook
from gateway.web.read.accept import JSON
from gateway.web.respond.caching import VARY
from gateway.web.response_cache import Answer

__all__ = ["ConnectionLimit", "Shedding"]

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

_RETRY_AFTER_S = 1
_CALM_S = 60
_HEADERS = {"Cache-Control": "no-store", "Retry-After": str(_RETRY_AFTER_S), "Vary": VARY}


class Shedding:
    """Passes on at most `max_requests` at a time; the next one is answered here.

    An answer that comes in parts counts until the first of them, and a WebSocket never does: they
    may last for hours.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        max_requests: int,
        book: RequestBook,
        clock: Clock = time.monotonic,
    ) -> None:
        self.app = app
        self.path = path
        self.max_requests = max_requests
        self.book = book
        self.in_work = 0
        self._burst = _Burst(clock)
        error = UpstreamUnavailableError(
            "The gateway has too much to do; try again.", retry_after_s=_RETRY_AFTER_S
        )
        body = orjson.dumps({"errors": [{"message": str(error), "extensions": error.extensions}]})
        response = Response(body, error.http_status, _HEADERS, JSON)
        account = Account()
        account.operation, account.outcome = ANONYMOUS, error.code
        account.sent_bytes = len(body)
        self._answer = Answer(error.http_status, tuple(response.raw_headers), body, account)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._is_full():
            account, refused = account_of(scope), self._answer.account
            account.operation, account.outcome = refused.operation, refused.outcome
            await send(
                {
                    "type": "http.response.start",
                    "status": self._answer.status,
                    "headers": [*self._answer.headers],
                }
            )
            await send({"type": "http.response.body", "body": self._answer.body})
            return
        is_counted = True

        async def send_and_count(message: Message) -> None:
            nonlocal is_counted
            if is_counted and message.get("more_body"):
                is_counted = False
                self.in_work -= 1
            await send(message)

        self.in_work += 1
        try:
            await self.app(scope, receive, send_and_count)
        finally:
            self.in_work -= is_counted

    def answer_to(self, scope: Scope) -> Answer | None:
        """Return what a request would be answered by the application, if it is that simple.

        Pages of other sites are told more: they could not read it.
        """
        if not self._is_full() or scope["method"] != "POST" or scope["path"] != self.path:
            return None
        is_foreign = any(name == b"origin" for name, _ in scope["headers"])
        return None if is_foreign else self._answer

    def _is_full(self) -> bool:
        if self.in_work < self.max_requests:
            return False
        if self._burst.begins():
            logger.warning("%d requests in work: more get 503", self.max_requests)
        return True


class ConnectionLimit:
    """Tells which connections are too many, and says so in the log once per burst."""

    def __init__(self, max_connections: int, *, clock: Clock = time.monotonic) -> None:
        self.max_connections = max_connections
        self._burst = _Burst(clock)

    def refuses(self, open_connections: int) -> bool:
        """Tell whether the last one of so many is too many."""
        if open_connections <= self.max_connections:
            return False
        if self._burst.begins():
            logger.warning("%d connections are open: more are closed", self.max_connections)
        return True


class _Burst:
    """Events with less than a minute between them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = float("-inf")

    def begins(self) -> bool:
        """Note an event, and tell whether it is the first one of a burst."""
        now = self._clock()
        is_first = now - self._last > _CALM_S
        self._last = now
        return is_first
