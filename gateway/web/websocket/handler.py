"""What Strawberry's side of a WebSocket leaves out, for `graphql-transport-ws`.

Source of the rules: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    CompleteMessage,
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from gateway.errors import BadRequestError, TooManyOpenError
from gateway.schema.context import Context
from gateway.web.respond.caching import mark_stale

__all__ = ["SocketHandler", "TextSocket"]

_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5
_MOST_OPERATIONS = 50
_IDLE_S = 300.0

# The codes after which clients come back; https://www.iana.org/assignments/websocket.
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013


class TextSocket(ASGIWebSocketAdapter):
    """Sends text, as browsers cannot read a binary frame at once, and lets no odd message in.

    Strawberry takes a message's shape for granted: `null` would end the socket with 1006.
    """

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """Give the messages that come in; one of another shape closes the socket with 4400."""
        async for message in super().iter_json(ignore_parsing_errors=ignore_parsing_errors):
            if not _is_well_formed(message):
                raise NonJsonMessageReceived
            try:
                self._check_variables(message)
            except BadRequestError as exc:
                await self.close(4400, str(exc))
                return
            yield message

    def _check_variables(self, message: Any) -> None:
        payload = message.get("payload")
        if message.get("type") == "subscribe":
            self.view.reader.check_variables(payload.get("variables") or {})  # type: ignore[attr-defined]

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message."""
        try:
            await self.ws.send_text(orjson.dumps(message).decode())
        except WebSocketDisconnect as exc:
            raise WebSocketDisconnected from exc

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; what quotes the client may be longer than a reason can be."""
        cut = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        await super().close(code, cut)


def _is_well_formed(message: object) -> bool:
    match message:
        case {"type": "subscribe", "id": str(), "payload": {"query": str(query), **more}}:
            return (
                bool(query)
                and isinstance(more.get("variables"), dict | None)
                and isinstance(more.get("operationName"), str | None)
            )
        case {"type": "complete", "id": str()}:
            return True
        case {"type": "subscribe" | "complete"}:
            return False
    return isinstance(message, dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An operation: since when it is under way, what it is, and what it works with."""

    started: float
    payload: Mapping[str, Any]
    context: Context


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's side of a socket, with limits: sockets of a caller, operations, idle time."""

    _held: ExitStack
    """What is given back when the socket is closed."""

    _has_been_busy = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._asked: dict[str, _Asked] = {}
        """What is not answered yet, by the ids of the operations."""

    async def handle(self) -> None:
        """Serve the socket until it closes."""
        with ExitStack() as self._held:
            self._held.callback(asyncio.create_task(self._close_when_idle()).cancel)
            await super().handle()

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Take the credentials, unless their owner has too many sockets already."""
        payload = message.get("payload")
        if not self.connection_init_received and isinstance(payload, dict | None):
            self.context.connection_params = payload
            key = self.context.key()
            try:
                if key is not None:
                    self._held.enter_context(self.view.sockets.one_of(key))  # type: ignore[attr-defined]
            except TooManyOpenError as exc:
                await self.websocket.close(_TRY_AGAIN_LATER, str(exc))
                return
        await super().handle_connection_init(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, if there may be one more."""
        self._has_been_busy = True
        if message["id"] in self.operations:
            await super().handle_subscribe(message)  # which closes the socket
            return
        asked = _Asked(time.perf_counter(), message["payload"], self.context.renewed())
        self._asked[message["id"]] = asked
        if len(self.operations) < _MOST_OPERATIONS:
            await super().handle_subscribe(message)
            return
        error = TooManyOpenError(
            f"{_MOST_OPERATIONS} operations may run on one socket at the same time."
        )
        payload: Any = [{"message": str(error), "extensions": error.extensions}]
        await self.send_message({"id": message["id"], "type": "error", "payload": payload})

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run an operation with a context of its own: all of it goes by the same sessions."""
        alone = copy(self)
        alone.context = self._asked[operation.id].context
        await super(SocketHandler, alone).run_operation(operation)

    async def handle_complete(self, message: CompleteMessage) -> None:
        """Stop an operation that the client has given up."""
        self._asked.pop(message["id"], None)
        await super().handle_complete(message)

    async def send_message(self, message: Message) -> None:
        """Send a message; the first answer to an operation is entered in the log."""
        told: Any = message
        asked = self._asked.pop(told.get("id"), None)
        if asked is None or "payload" not in told:
            await super().send_message(message)
            return
        answer = {"errors": told["payload"]} if told["type"] == "error" else told["payload"]
        mark_stale([answer], asked.context.served)
        await super().send_message(message)
        self.view.enter_operation(asked.started, asked.payload, asked.context, answer)  # type: ignore[attr-defined]

    async def _close_when_idle(self) -> None:
        while True:
            self._has_been_busy = bool(self.operations)
            await asyncio.sleep(_IDLE_S)
            if not self._has_been_busy:
                await self.websocket.close(_GOING_AWAY, "Nothing has been asked for a while.")
                return
