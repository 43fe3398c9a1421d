"""Answers to HTTP/1.0 clients, which do not know chunks (RFC 9112, section 6.1)."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def without_chunks(app: ASGIApp, cycle: Any) -> ASGIApp:
    """Return the app with answers that end with their connection.

    uvicorn compares each piece with the length that is left, so that is set to the piece's own.
    """

    async def unchunked(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unchunked(message: Message) -> None:
            cycle.chunked_encoding = False
            cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return unchunked
