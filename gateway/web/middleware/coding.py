"""Chooses the content coding by the client's weights (RFC 9110, section 12.5.3)."""

import asyncio
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware

from gateway.web.read.accept import LONGEST, ranges

_CODINGS = ("br", "zstd", "gzip")
"""What we can write, best first: some clients claim zstd, and cannot read it."""
_PIECE_BYTES = 128 * 2**10
"""What is compressed in one turn of the event loop: gzip takes 2 ms for it."""


@lru_cache(256)
def _chosen(accept_encoding: bytes) -> bytes:
    weights = dict(ranges(accept_encoding.decode("latin-1")))
    weighed = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    weight, name = max(weighed, key=lambda entry: entry[0])
    is_better = weight > 0 and weight >= weights.get("identity", 0.0)
    return name.encode() if is_better else b"identity"


class Compression:
    """Compresses answers by the coding that the client prefers.

    The library goes by an order of its own, so it is left one coding; without any, it is left out.
    It is given long bodies in pieces, so that others get their turn between them.
    """

    def __init__(self, app: ASGIApp, *, minimum_size: int) -> None:
        self.app = app
        self._compressed = CompressMiddleware(self._in_pieces, minimum_size=minimum_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        coding = b"identity"
        if scope["type"] == "http":
            coding = _chosen(dict(scope["headers"]).get(b"accept-encoding", b"")[:LONGEST])
        if coding == b"identity":
            await self.app(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        headers.append((b"accept-encoding", coding))
        await self._compressed({**scope, "headers": headers}, receive, _joining(send))

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


def _joining(send: Send) -> Send:
    """Return a `send` that makes the pieces of a compressed answer one body, with its length.

    The same body gives the same bytes at any time.
    """
    start: Message | None = None
    pieces: list[bytes] = []
    is_gzip = False

    async def send_joined(message: Message) -> None:
        nonlocal start, is_gzip
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            is_gzip = headers.get("content-encoding") == "gzip"
            if "content-encoding" in headers and "content-length" not in headers:
                start = message
                return
        elif start is not None and message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if message.get("more_body"):
                return
            message = {**message, "body": b"".join(pieces)}
            MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(message["body"]))
            await send(start)
            start = None
        if is_gzip and (body := message.get("body")):
            # Without the time (RFC 1952, section 2.3): equal answers have equal tags.
            message, is_gzip = {**message, "body": body[:4] + bytes(4) + body[8:]}, False
        await send(message)

    return send_joined
