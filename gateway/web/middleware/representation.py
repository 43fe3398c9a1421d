"""The Content-Encoding, Content-Length and ETag of answers.

Source: RFC 9110, sections 12.5.3 (Accept-Encoding), 8.8.3 (ETag) and 13.1.2 (If-None-Match).
"""

import asyncio
import hashlib
import re
import zlib
from functools import lru_cache

import brotli
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from zstandard import ZstdCompressor

from gateway.web.read.accept import LONGEST, ranges

_CODINGS = ("br", "zstd", "gzip")
"""Preferred first. zstd comes after br: some clients offer it and cannot read it."""
_LEVEL = 4
_COMPRESSED = re.compile(
    r"text/|image/svg\+xml|application/(?:graphql-response\+json|javascript|json|openmetrics-text)"
)
_SMALLEST_COMPRESSED = 1_000
_PIECE_BYTES = 128 * 2**10
"""Compressed at once before yielding to other requests: gzip takes 2 ms for it."""

# Headers of a 200 that its 304 does not have: they describe the body.
_OF_THE_BODY = ("content-length", "content-type", "content-encoding")


@lru_cache(256)
def _chosen(accept_encoding: bytes) -> str | None:
    weights = dict(ranges(accept_encoding.decode("latin-1")))
    weighed = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    weight, name = max(weighed, key=lambda entry: entry[0])
    return name if weight > 0 and weight >= weights.get("identity", 0.0) else None


class Representation:
    """Compresses answers; tags cacheable ones to GET, and answers 304 if the client has them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self.app(scope, receive, _whole(scope, send) if scope["type"] == "http" else send)


def _whole(scope: Scope, send: Send) -> Send:
    """Return a `send` that joins the pieces of an answer, and compresses and tags it.

    Streams, which have no Content-Length, are sent as they are: each would also hold a compressor,
    which takes a megabyte or more, for hours.
    """
    sent = dict(scope["headers"])
    coding = _chosen(sent.get(b"accept-encoding", b"")[:LONGEST])
    is_tagged = scope["method"] in {"GET", "HEAD"}
    if coding is None and not is_tagged:
        return send
    start: Message | None = None
    pieces: list[bytes] = []

    async def send_whole(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            if "content-length" in MutableHeaders(raw=message["headers"]):  # not a stream
                start = message
                return
        elif start is not None:
            pieces.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body, headers = b"".join(pieces), MutableHeaders(raw=start["headers"])
            if coding and _is_compressed(headers, body):
                body = await _compress(body, coding)
                headers.update({"Content-Encoding": coding, "Content-Length": str(len(body))})
            known = sent.get(b"if-none-match", b"").decode("latin-1")
            if is_tagged and _tag_or_make_304(start, headers, body, known):
                body = b""
            await send(start)
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return send_whole


def _is_compressed(headers: MutableHeaders, body: bytes) -> bool:
    """Return whether an answer gets smaller, and is neither compressed nor a part already."""
    if len(body) < _SMALLEST_COMPRESSED or {"content-encoding", "content-range"} & {*headers}:
        return False
    return _COMPRESSED.match(headers.get("content-type", "")) is not None


async def _compress(body: bytes, coding: str) -> bytes:
    """Compress in pieces, to yield to other requests in between; equal bodies give equal bytes."""
    if coding == "br":
        br = brotli.Compressor(quality=_LEVEL)
        compress, finish = br.process, br.finish
    else:
        gzip = zlib.compressobj(_LEVEL, wbits=31) if coding == "gzip" else None
        other = gzip or ZstdCompressor(_LEVEL).compressobj(len(body))
        compress, finish = other.compress, other.flush
    pieces = []
    for begin in range(0, len(body), _PIECE_BYTES):
        if begin:
            await asyncio.sleep(0)
        pieces.append(compress(body[begin : begin + _PIECE_BYTES]))
    return b"".join((*pieces, finish()))


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
