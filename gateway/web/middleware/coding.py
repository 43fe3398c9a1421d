"""Chooses the content coding by the client's weights (RFC 9110, section 12.5.3)."""

from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.read.accept import LONGEST, ranges

_CODINGS = ("br", "zstd", "gzip")
"""What we can write, best first: some clients claim zstd, and cannot read it."""


@lru_cache(256)
def _chosen(accept_encoding: bytes) -> bytes:
    weights = dict(ranges(accept_encoding.decode("latin-1")))
    weighed = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    weight, name = max(weighed, key=lambda entry: entry[0])
    is_better = weight > 0 and weight >= weights.get("identity", 0.0)
    return name.encode() if is_better else b"identity"


class OneCoding:
    """Leaves one coding in `Accept-Encoding`: compression inside goes by its own order."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            headers = [
                (name, _chosen(value[:LONGEST]) if name == b"accept-encoding" else value)
                for name, value in scope["headers"]
            ]
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)
