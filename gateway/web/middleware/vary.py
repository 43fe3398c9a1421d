"""Names each header once in `Vary`."""

from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@lru_cache(256)
def _once(names: bytes) -> bytes:
    return b", ".join(dict.fromkeys(name.strip() for name in names.split(b",")))


class OneVary:
    """Compression adds to `Vary` what may be there already; `also` is what every answer adds."""

    def __init__(self, app: ASGIApp, *, also: bytes = b"") -> None:
        self.app = app
        self._also = b", " + also if also else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tidy its answer."""

        async def send_tidied(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, _once(value + self._also) if name == b"vary" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self.app(scope, receive, send_tidied)
