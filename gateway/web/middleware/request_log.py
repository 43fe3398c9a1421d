"""The access log: one line and one count for each request, under an id that the answer has too.

Neither the query string nor any header or body is logged: they hold customers' data.
"""

import logging
import time
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TenantNotFoundError
from gateway.observe.metrics import RequestMeter
from gateway.web.access_record import AccessRecord
from gateway.web.inbound import REQUEST_ID, Door

logger = logging.getLogger(__name__)

UNKNOWN_PATH = "(unknown)"
_LONGEST_PATH = 200
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


class AccessLog:
    """Logs each request when it is over, and counts it if it was GraphQL."""

    def __init__(self, meter: RequestMeter, *, shows_client: bool = False) -> None:
        self._meter = meter
        self._shows_client = shows_client
        self._log = structlog.get_logger()

    def request(
        self, scope: Scope, request_id: bytes, status: int, started: float, record: AccessRecord
    ) -> None:
        """Log a request that began at `started`, by `time.perf_counter`."""
        seconds = time.perf_counter() - started
        self._count(record, record.first_answer_s or seconds)
        level = logging.DEBUG if record.is_routine else logging.INFO
        if not logger.isEnabledFor(level):
            return
        fields = record.fields()
        if self._shows_client and scope.get("client"):
            fields = {**fields, "client": scope["client"][0]}
        write = self._log.debug if record.is_routine else self._log.info
        write(
            "request",
            logger=__name__,
            method=scope.get("method", "WEBSOCKET"),
            path=_printable_path(scope) if record.is_known_path else UNKNOWN_PATH,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            request_id=request_id.decode(),
            **fields,
        )

    def operation(self, started: float, record: AccessRecord) -> None:
        """Log one of the operations on a WebSocket, when it has its first answer."""
        seconds = time.perf_counter() - started
        self._count(record, seconds)
        duration_ms = round(seconds * 1000, 1)
        self._log.info("operation", logger=__name__, duration_ms=duration_ms, **record.fields())

    def _count(self, record: AccessRecord, seconds: float) -> None:
        timings = record.timings
        if timings is None:
            if record.operation is None:
                return
            timings = record.timings = self._meter.of(record.operation, record.outcome)
        timings.add(seconds)
        self._meter.sent_bytes += record.sent_bytes


class RequestLog:
    """The outermost middleware: has the request read, and logged when it is over."""

    def __init__(self, app: ASGIApp, *, door: Door, access_log: AccessLog) -> None:
        self.app = app
        self._door = door
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        inbound = self._door.enter(scope)
        request_id = inbound.request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                headers = [h for h in message.get("headers", ()) if h[0] != REQUEST_ID]
                message["headers"] = [*headers, (REQUEST_ID, request_id)]
            elif message["type"] == "websocket.close" and not status:
                status = 403  # the server's answer to a handshake for an unknown path
                inbound.record.is_known_path = False
            else:
                inbound.record.sent_bytes += len(message.get("body", b""))
            await send(message)

        started = time.perf_counter()
        # In the context of the request's own task, which ends with it.
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if status == 404 or isinstance(inbound.head.access, TenantNotFoundError):
                inbound.record.is_known_path = False
            inbound.snapshot = None  # the scope lives until the next request of the connection
            self._access_log.request(scope, request_id, status, started, inbound.record)


def _printable_path(scope: Scope) -> str:
    """Return the start of the path as it was sent: in ASCII, with nothing that moves a cursor."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        raw = quote(scope["path"]).encode()
    return raw[:_LONGEST_PATH].decode("ascii", "backslashreplace")
