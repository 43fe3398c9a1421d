"""Answers to HTTP/1.0 clients, which do not know chunks (RFC 9112, section 6.1)."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def without_chunks(app: ASGIApp, cycle: Any) -> ASGIApp:
    """Return the app with answers that end with the connection where they have no length.

    uvicorn compares each piece with the length that is left, so that is set to the piece's own.
    """

    async def unchunked(scope: Scope, receive: Receive, send: Send) -> None:
        has_length = True

        async def send_unchunked(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name == b"content-length" for name, _ in message["headers"])
                if not has_length:
                    cycle.chunked_encoding = False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return unchunked
