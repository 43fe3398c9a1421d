"""The last step of every answer: its headers, its coding, its ETag, and its place in the cache.

Source: RFC 9110, sections 12.5.3 (Accept-Encoding), 8.8.3 (ETag) and 13.1.2 (If-None-Match).
"""

import hashlib
import re
import zlib
from collections.abc import AsyncGenerator
from functools import lru_cache

import brotli
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from zstandard import ZstdCompressor

from gateway.executor.turns import next_turn
from gateway.store.single_flight import Flights
from gateway.web.read.accept import LONGEST_LIST, ranges
from gateway.web.response_cache import store

_CODINGS = ("br", "zstd", "gzip")
"""Preferred first. zstd comes after br: some clients offer it and cannot read it."""
_LEVEL = 4
_COMPRESSIBLE = re.compile(
    r"text/|image/svg\+xml|application/(?:graphql-response\+json|javascript|json|openmetrics-text)"
)
_SMALLEST_COMPRESSED = 1_000
_PIECE_BYTES = 128 * 2**10
"""Compressed or hashed at once: gzip takes 2 ms for it."""

_ACCEPT_ENCODING = b"Accept-Encoding"
_DEFAULTS = (
    (b"vary", _ACCEPT_ENCODING),  # also of answers that are not compressed (RFC 9110, 12.5.5)
    # Browsers must not guess types, show pages in frames, or send referrers.
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)

# Headers of a 200 that its 304 does not have: they describe the body.
_OF_THE_BODY = ("content-length", "content-type", "content-encoding")


@lru_cache(256)
def _chosen(accept_encoding: bytes) -> str | None:
    weights = dict(ranges(accept_encoding.decode("latin-1")))
    weighed = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    weight, name = max(weighed, key=lambda entry: entry[0])
    return name if weight > 0 and weight >= weights.get("identity", 0.0) else None


@lru_cache(256)
def _once(names: bytes) -> bytes:
    return b", ".join(dict.fromkeys(name.strip() for name in names.split(b",")))


class Representation:
    """Adds missing headers, and compresses, tags and caches answers.

    Every `Vary` gets the names in `also`. Cacheable answers to GET are tagged; if the client has
    the tag, the answer is a 304.
    """

    def __init__(self, app: ASGIApp, *, also: bytes = b"") -> None:
        self.app = app
        self._compressed: dict[str, bytes] = {}
        self._compressing = Flights[None]()
        self._also = b", " + _ACCEPT_ENCODING + (b", " + also if also else b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self.app(
            scope, receive, self._whole(scope, send) if scope["type"] == "http" else send
        )

    def _whole(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that joins the pieces of an answer, and completes it.

        Streams, which have no Content-Length, are sent as they are: each would also hold a
        compressor, which takes a megabyte or more, for hours.
        """
        start: Message | None = None
        body = b""

        async def send_whole(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                if b"content-length" in self._complete(message):  # not a stream
                    start = message
                    return
            elif start is not None:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                message["body"] = await self._represented(scope, start, body)
                store(scope, start, message["body"])
                await send(start)
            await send(message)

        return send_whole

    def _complete(self, start: Message) -> set[bytes]:
        """Add the missing headers, and each name to `Vary` once; return the names sent by `app`."""
        headers = start["headers"]
        names = {name for name, _ in headers}
        start["headers"] = [
            (name, _once(value + self._also) if name == b"vary" else value)
            for name, value in headers
        ] + [default for default in _DEFAULTS if default[0] not in names]
        return names

    async def _represented(self, scope: Scope, start: Message, body: bytes) -> bytes:
        """Return the body as the client wants it, and set its headers in `start`."""
        sent, is_tagged = dict(scope["headers"]), scope["method"] in {"GET", "HEAD"}
        coding = _chosen(sent.get(b"accept-encoding", b"")[:LONGEST_LIST])
        if coding is None and not is_tagged:
            return body
        headers = MutableHeaders(raw=start["headers"])  # writes to `start`
        if coding and _is_compressible(headers, body):
            tag = dict(start["headers"]).get(b"etag")
            body = await (
                self._compress_once(tag, body, coding) if tag else _compress(body, coding)
            )
            headers.update({"Content-Encoding": coding, "Content-Length": str(len(body))})
        known = sent.get(b"if-none-match", b"").decode("latin-1")
        if is_tagged and await _tag_or_make_304(start, headers, body, known):
            return b""
        return body

    async def _compress_once(self, tag: bytes, body: bytes, coding: str) -> bytes:
        """Compress a body, unless one with this tag is: files and pages are requested often."""
        key = f"{coding} {tag.decode()}"

        async def compress() -> None:
            self._compressed[key] = await _compress(body, coding)

        if key not in self._compressed:
            await self._compressing.join(key, compress)
        return self._compressed[key]


def _is_compressible(headers: MutableHeaders, body: bytes) -> bool:
    """Return whether compressing makes an answer smaller; not if it is compressed, or a part."""
    if len(body) < _SMALLEST_COMPRESSED or {"content-encoding", "content-range"} & {*headers}:
        return False
    return _COMPRESSIBLE.match(headers.get("content-type", "")) is not None


async def _compress(body: bytes, coding: str) -> bytes:
    """Compress in pieces; equal bodies give equal bytes."""
    if coding == "br":
        br = brotli.Compressor(quality=_LEVEL)
        compress, finish = br.process, br.finish
    else:
        gzip = zlib.compressobj(_LEVEL, wbits=31) if coding == "gzip" else None
        other = gzip or ZstdCompressor(_LEVEL).compressobj(len(body))
        compress, finish = other.compress, other.flush
    pieces = [compress(piece) async for piece in _pieces(body)]
    return b"".join((*pieces, finish()))


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    """Cut a body into pieces, and yield to other requests in between."""
    for begin in range(0, len(body), _PIECE_BYTES):
        if begin:
            await next_turn()
        yield body[begin : begin + _PIECE_BYTES]


async def _tag_or_make_304(
    start: Message, headers: MutableHeaders, body: bytes, known: str
) -> bool:
    """Tag an answer; if the client has the tag, make the answer a 304 and return True."""
    if "content-encoding" in headers and headers.get("etag", "").startswith('"'):
        headers["ETag"] = f"W/{headers['etag']}"  # made before compression
    if start["status"] != 200 or "no-store" in headers.get("cache-control", ""):
        return False
    if "etag" not in headers:
        kind = headers.get("content-type", "").encode()[: hashlib.blake2b.MAX_KEY_SIZE]
        digest = hashlib.blake2b(digest_size=16, key=kind)
        async for piece in _pieces(body):
            digest.update(piece)
        headers["ETag"] = f'"{digest.hexdigest()}"'
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if "*" not in tags and headers["etag"].removeprefix("W/") not in tags:
        return False
    start["status"] = 304
    for name in _OF_THE_BODY:
        del headers[name]
    return True
