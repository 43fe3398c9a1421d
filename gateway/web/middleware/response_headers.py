"""Headers of every answer: guards for browsers, and a `Vary` without duplicates."""

from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
"""They forbid browsers to guess types, to show pages in frames, and to send referrers."""


@lru_cache(256)
def _once(names: bytes) -> bytes:
    return b", ".join(dict.fromkeys(name.strip() for name in names.split(b",")))


class ResponseHeaders:
    """Adds the guards and, to every `Vary`, the names in `also`; removes duplicates from `Vary`."""

    def __init__(self, app: ASGIApp, *, also: bytes = b"") -> None:
        self.app = app
        self._also = b", " + also if also else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the headers of its answer."""

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, _once(value + self._also) if name == b"vary" else value)
                    for name, value in message["headers"]
                ]
                present = {name for name, _ in headers}
                headers += [guard for guard in _GUARDS if guard[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_completed if scope["type"] == "http" else send)
