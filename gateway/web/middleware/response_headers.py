"""Headers of every answer: rules for browsers, and a complete `Vary` without duplicates."""

from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CODING = b"Accept-Encoding"
_DEFAULTS = (
    (b"vary", _CODING),  # also of answers that are not compressed (RFC 9110, section 12.5.5)
    # Browsers must not guess types, show pages in frames, or send referrers.
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


@lru_cache(256)
def _once(names: bytes) -> bytes:
    return b", ".join(dict.fromkeys(name.strip() for name in names.split(b",")))


class ResponseHeaders:
    """Adds missing headers and, to every `Vary`, the names in `also`, each once."""

    def __init__(self, app: ASGIApp, *, also: bytes = b"") -> None:
        self.app = app
        self._also = b", " + _CODING + (b", " + also if also else b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the headers of its answer."""

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, _once(value + self._also) if name == b"vary" else value)
                    for name, value in message["headers"]
                ]
                present = {name for name, _ in headers}
                headers += [default for default in _DEFAULTS if default[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_completed if scope["type"] == "http" else send)
