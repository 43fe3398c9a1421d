"""The Content-Encoding, Content-Length and ETag of answers.

Source: RFC 9110, sections 12.5.3 (Accept-Encoding), 8.8.3 (ETag) and 13.1.2 (If-None-Match).
"""

import asyncio
import hashlib
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware

from gateway.web.read.accept import LONGEST, ranges

_CODINGS = ("br", "zstd", "gzip")
"""Preferred first. zstd comes after br: some clients offer it and cannot read it."""
_SMALLEST_COMPRESSED = 1_000
_PIECE_BYTES = 128 * 2**10
"""Compressed at once before yielding to other requests: gzip takes 2 ms for it."""

# Headers of a 200 that its 304 does not have: they describe the body.
_OF_THE_BODY = ("content-length", "content-type", "content-encoding")


@lru_cache(256)
def _chosen(accept_encoding: bytes) -> bytes:
    weights = dict(ranges(accept_encoding.decode("latin-1")))
    weighed = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    weight, name = max(weighed, key=lambda entry: entry[0])
    is_better = weight > 0 and weight >= weights.get("identity", 0.0)
    return name.encode() if is_better else b"identity"


class Representation:
    """Compresses answers; tags cacheable ones to GET, and answers 304 if the client has them.

    starlette-compress has its own order of codings, so it is offered one alone; without a coding it
    is not called. It gets long bodies in pieces, to yield to other requests in between.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._compressed = CompressMiddleware(self._in_pieces, minimum_size=_SMALLEST_COMPRESSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        coding = _chosen(sent.get(b"accept-encoding", b"")[:LONGEST])
        known = sent.get(b"if-none-match", b"").decode("latin-1")
        is_tagged = scope["method"] in {"GET", "HEAD"}
        if is_tagged or coding != b"identity":
            send = _whole(send, known if is_tagged else None)
        if coding == b"identity":
            await self.app(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        headers.append((b"accept-encoding", coding))
        await self._compressed({**scope, "headers": headers}, receive, send)

    async def _in_pieces(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_pieces(message: Message) -> None:
            body, begin = message.get("body", b""), 0
            while len(body) - begin > _PIECE_BYTES:
                piece = body[begin : begin + _PIECE_BYTES]
                await send({**message, "body": piece, "more_body": True})
                await asyncio.sleep(0)
                begin += _PIECE_BYTES
            await send({**message, "body": body[begin:]} if begin else message)

        await self.app(scope, receive, send_pieces)


def _whole(send: Send, known: str | None) -> Send:
    """Return a `send` that joins the pieces of a compressed answer, and tags it.

    Equal bodies give equal bytes. `known` are the tags that the client has; None: do not tag.
    """
    start: Message | None = None
    pieces: list[bytes] = []

    async def send_whole(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            if "content-length" in headers or "content-encoding" in headers:  # not a stream
                start = message
                return
        elif start is not None:
            headers = MutableHeaders(raw=start["headers"])
            coding, is_last = headers.get("content-encoding"), not message.get("more_body")
            pieces.append(message.get("body", b""))
            if coding and not is_last:
                return
            body = b"".join(pieces)
            if coding == "gzip" and body:  # clear the time (RFC 1952, section 2.3)
                body = body[:4] + bytes(4) + body[8:]
            if coding:
                headers["Content-Length"] = str(len(body))
            if is_last and known is not None and _tag_or_make_304(start, headers, body, known):
                body = b""
            await send(start)
            start, message = None, {**message, "body": body}
        await send(message)

    return send_whole


def _tag_or_make_304(start: Message, headers: MutableHeaders, body: bytes, known: str) -> bool:
    """Tag an answer; if the client has the tag, make the answer a 304 and return True."""
    if "content-encoding" in headers and headers.get("etag", "").startswith('"'):
        headers["ETag"] = f"W/{headers['etag']}"  # made from the file before compression
    if start["status"] != 200 or "no-store" in headers.get("cache-control", ""):
        return False
    if "etag" not in headers:
        kind = headers.get("content-type", "").encode()[: hashlib.blake2b.MAX_KEY_SIZE]
        headers["ETag"] = f'"{hashlib.blake2b(body, digest_size=16, key=kind).hexdigest()}"'
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if "*" not in tags and headers["etag"].removeprefix("W/") not in tags:
        return False
    start["status"] = 304
    for name in _OF_THE_BODY:
        del headers[name]
    return True
