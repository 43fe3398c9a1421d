"""Chooses the content coding by the client's weights (RFC 9110, section 12.5.3)."""

from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_compress import CompressMiddleware

from gateway.web.read.accept import ranges

_CODINGS = ("br", "zstd", "gzip")
"""What we can write, best first: some clients claim zstd, and cannot read it."""


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
    """

    def __init__(self, app: ASGIApp, *, minimum_size: int) -> None:
        self.app = app
        self._compressed = CompressMiddleware(app, minimum_size=minimum_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        coding = b"identity"
        if scope["type"] == "http":
            sent = [value for name, value in scope["headers"] if name == b"accept-encoding"]
            coding = _chosen(b",".join(sent))
        if coding == b"identity":
            await self.app(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        headers.append((b"accept-encoding", coding))
        await self._compressed({**scope, "headers": headers}, receive, send)
