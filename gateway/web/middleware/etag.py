"""Strong ETags, and 304 for answers that the client has (RFC 9110, sections 8.8.3, 13.1.2)."""

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Headers of a 200 that its 304 leaves out: they describe the body.
_OF_THE_BODY = ("content-length", "content-type", "content-encoding")


class ETags:
    """Tags each cacheable answer to GET by its type and its bytes, compressed as they are sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the start of an answer back until its body is known."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and not _is_stream(message):
                start = message
                return
            if start is not None:
                held, start = start, None
                if _tag(held, message, known):
                    message = {**message, "body": b""}
                await send(held)
            await send(message)

        await self.app(scope, receive, send_tagged)


def _is_stream(start: Message) -> bool:
    return "content-length" not in Headers(raw=start["headers"])


def _tag(start: Message, body: Message, known: str) -> bool:
    """Put the tag on an answer; if the client has it, make the answer a 304 and return True."""
    headers = MutableHeaders(raw=start["headers"])
    if "content-encoding" in headers and headers.get("etag", "").startswith('"'):
        headers["ETag"] = f"W/{headers['etag']}"  # it was made from the file before compression
    is_whole = start["status"] == 200 and not body.get("more_body")
    if not is_whole or "no-store" in headers.get("cache-control", ""):
        return False
    if "etag" not in headers:
        kind = headers.get("content-type", "").encode()[: hashlib.blake2b.MAX_KEY_SIZE]
        digest = hashlib.blake2b(body["body"], digest_size=16, key=kind)
        headers["ETag"] = f'"{digest.hexdigest()}"'
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if "*" not in tags and headers["etag"].removeprefix("W/") not in tags:
        return False
    start["status"] = 304
    for name in _OF_THE_BODY:
        del headers[name]
    return True
