"""Give each request an id; when it is done, write one line about it and count it."""

import re
import time
from collections.abc import Iterable
from random import Random
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import Header
from gateway.observe.metrics import RequestMeter
from gateway.web.access_record import Account, account_of

__all__ = ["REQUEST_ID", "RequestBook", "RequestLog", "id_for", "request_id_of"]

REQUEST_ID = b"x-request-id"

_ACCEPTABLE = re.compile(rb"[\w.:/+=@-]{1,128}", re.ASCII)

_LONGEST_PATH = 200

_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}

# An id tells requests apart and opens nothing: the system's randomness would be a system call each.
_random = Random()  # noqa: S311


class RequestBook:
    """Enters each request that is over: a line in the log, and a count if it was GraphQL."""

    def __init__(self, meter: RequestMeter) -> None:
        self._meter = meter
        self._log = structlog.get_logger()

    def enter(
        self, scope: Scope, request_id: bytes, status: int, started: float, account: Account
    ) -> None:
        """Enter a request that began at `started`, by `time.perf_counter`."""
        seconds = time.perf_counter() - started
        self._count(account, account.answered_s or seconds)
        write = self._log.debug if account.is_routine else self._log.info
        write(
            "request",
            logger=__name__,
            method=scope.get("method", "WEBSOCKET"),
            path=_shown(scope),
            status=status,
            duration_ms=round(seconds * 1000, 1),
            request_id=request_id.decode(),
            **account.told(),
        )

    def enter_operation(self, started: float, account: Account) -> None:
        """Enter one of the operations on a WebSocket, which has been answered."""
        seconds = time.perf_counter() - started
        self._count(account, seconds)
        duration_ms = round(seconds * 1000, 1)
        self._log.info("operation", logger=__name__, duration_ms=duration_ms, **account.told())

    def _count(self, account: Account, seconds: float) -> None:
        timings = account.timings
        if timings is None:
            if account.operation is None:
                return
            timings = account.timings = self._meter.of(account.operation, account.outcome)
        timings.add(seconds)
        self._meter.sent_bytes += account.sent_bytes


class RequestLog:
    """Takes the client's `X-Request-ID` or makes one, and puts it on the answer and in the log.

    Neither the query string nor any header or body is logged: they hold customers' data.
    """

    def __init__(self, app: ASGIApp, *, book: RequestBook) -> None:
        self.app = app
        self._book = book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log what came of it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        status = 0
        account = account_of(scope)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                headers = [h for h in message.get("headers", ()) if h[0] != REQUEST_ID]
                message["headers"] = [*headers, (REQUEST_ID, request_id)]
            else:
                account.sent_bytes += len(message.get("body", b""))
            await send(message)

        started = time.perf_counter()
        # In the context of the request's own task, which ends with it.
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._book.enter(scope, request_id, status, started, account)


def _shown(scope: Scope) -> str:
    """Return the start of the path as it was sent: in ASCII, with nothing that moves a cursor."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        raw = quote(scope["path"]).encode()
    return raw[:_LONGEST_PATH].decode("ascii", "backslashreplace")


def request_id_of(scope: Scope) -> bytes:
    """Return the request's id, and leave it in the scope's headers for whoever passes it on."""
    headers = scope["headers"]
    request_id = id_for(headers)
    if (REQUEST_ID, request_id) not in headers:
        scope["headers"] = [h for h in headers if h[0] != REQUEST_ID] + [(REQUEST_ID, request_id)]
    return request_id


def id_for(headers: Iterable[Header]) -> bytes:
    """Return the id that a client has sent, or a new one."""
    sent = [value for name, value in headers if name == REQUEST_ID]
    if len(sent) == 1 and _ACCEPTABLE.fullmatch(sent[0]):
        return bytes(sent[0])
    return b"%016x" % _random.getrandbits(64)
