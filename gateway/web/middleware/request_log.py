"""The access log: one line and one count for each request, under an id that the answer has too.

Neither the query string nor any header or body is logged: they hold customers' data.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TenantNotFoundError
from gateway.observe.clients import NO_CLIENT, Client
from gateway.observe.logs import fields_of_task, log_event
from gateway.observe.metrics import RequestMeter
from gateway.settings.tenant_names import canonical_tenant
from gateway.tenants.path import GRAPHQL_PATH
from gateway.web.access_record import AccessRecord
from gateway.web.inbound import REQUEST_ID, Door, Inbound

logger = logging.getLogger(__name__)

UNKNOWN = "(unknown)"
_LONGEST_PATH = 200
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Logs each request when it is over, and counts it if it was GraphQL."""

    meter: RequestMeter
    shows_client: bool = False

    def request(
        self, scope: Scope, inbound: Inbound, status: int, started: float, record: AccessRecord
    ) -> None:
        """Log a request that began at `started`, by `time.perf_counter`."""
        seconds = time.perf_counter() - started
        client_fields = self._count(record, record.first_answer_s or seconds, inbound.head.client)
        level = logging.DEBUG if record.is_routine else logging.INFO
        if not logger.isEnabledFor(level):
            return
        fields = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": _printable_path(scope) if record.is_known_path else UNKNOWN,
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
            "request_id": inbound.request_id.decode(),
            **record.fields(),
            **client_fields,
        }
        if self.shows_client and scope.get("client"):
            fields["client"] = scope["client"][0]
        log_event(logger, level, "request", fields)

    def operation(self, started: float, record: AccessRecord, client: Client) -> None:
        """Log one of the operations on a WebSocket, when it has its first answer."""
        seconds = time.perf_counter() - started
        client_fields = self._count(record, seconds, client)
        if logger.isEnabledFor(logging.INFO):
            fields = {"duration_ms": round(seconds * 1000, 1), **record.fields(), **client_fields}
            log_event(logger, logging.INFO, "operation", fields)

    def _count(self, record: AccessRecord, seconds: float, client: Client) -> dict[str, str]:
        """Count a request if it is GraphQL; return the log's fields about its client, if any."""
        meter, timings = self.meter, record.timings
        if timings is None:
            if record.operation is None:
                return {}
            timings = record.timings = meter.of(record.operation, record.outcome, record.tenant)
        timings.add(seconds)
        meter.sent_bytes += record.sent_bytes
        if record.deprecated and record.is_answered:
            meter.deprecated.update(record.deprecated)
        if client is NO_CLIENT:
            return {}
        name, version = meter.clients.count(client, is_answered=record.is_answered)
        return {"client_name": name, "client_version": version}


@dataclass(slots=True)
class RequestLog:
    """The outermost middleware: parses each request, and logs it when it is over."""

    app: ASGIApp
    door: Door
    access_log: AccessLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        inbound = self.door.enter(scope)
        request_id = inbound.request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                headers = [h for h in message.get("headers", ()) if h[0] != REQUEST_ID]
                message["headers"] = [*headers, (REQUEST_ID, request_id)]
            else:
                inbound.record.sent_bytes += len(message.get("body", b""))
            await send(message)

        started = time.perf_counter()
        # Never reset: the context is that of the request's own task, and ends with it.
        fields_of_task.set({"request_id": request_id.decode()})
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            inbound.record.is_known_path = _is_known_path(scope, status, inbound)
            # The scope lives until the next request of the connection.
            inbound.snapshot = inbound.body = None
            status = status or inbound.refused
            self.access_log.request(scope, inbound, status, started, inbound.record)


def _is_known_path(scope: Scope, status: int, inbound: Inbound) -> bool:
    """Return whether a path is one of ours: any other may contain a token, and is not logged."""
    # An open socket has another tenant only in its payload.
    if isinstance(inbound.head.access, TenantNotFoundError) and status != 101:
        return False
    if status not in {404, 405} and scope.get("method") != "OPTIONS":
        return True
    tenant = scope["path"].removeprefix(f"{GRAPHQL_PATH}/")
    return is_route(scope["app"], scope["path"]) or canonical_tenant(tenant) is not None


def is_route(app: Any, path: str) -> bool:  # an application of Starlette, or another one
    """Return whether an application has exactly this path."""
    return path in {getattr(route, "path", None) for route in app.routes}


def _printable_path(scope: Scope) -> str:
    """Return the start of the path as it was sent, in ASCII and without control characters."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        raw = quote(scope["path"]).encode()
    return raw[:_LONGEST_PATH].decode("ascii", "backslashreplace")
