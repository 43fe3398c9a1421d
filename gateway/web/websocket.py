"""What Strawberry's side of a WebSocket leaves out, for `graphql-transport-ws`.

Source of the rules: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected

from gateway.errors import BadRequestError

__all__ = ["TextSocket"]

_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5


class TextSocket(ASGIWebSocketAdapter):
    """Sends text, as browsers cannot read a binary frame at once, and lets no odd message in.

    Strawberry takes a message's shape for granted: `null` would end the socket with 1006.
    """

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        self._asked: dict[str, tuple[float, Mapping[str, Any]]] = {}

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
            self._note(message)
            yield message

    def _note(self, message: Any) -> None:
        """Remember what is asked for, and since when, until it is answered or given up."""
        if message.get("type") == "subscribe":
            self._asked[message["id"]] = (time.perf_counter(), message["payload"])
        elif message.get("type") == "complete":
            self._asked.pop(message["id"], None)

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
        self._enter(message)

    def _enter(self, message: Mapping[str, Any]) -> None:
        """Enter the operation that a message is the first answer to, if it is one."""
        asked = self._asked.pop(message.get("id", ""), None)
        if asked is not None and "payload" in message:
            payload = message["payload"]
            answer = {"errors": payload} if message["type"] == "error" else payload
            self.view.enter_operation(self.ws.scope, *asked, answer)  # type: ignore[attr-defined]

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
