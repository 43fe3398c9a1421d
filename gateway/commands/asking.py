"""One request to the application in this process, past the network: no port is opened."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from starlette.types import ASGIApp, Message

from gateway.headers import Header

_STREAM = b"text/event-stream"
_ACCEPT = b"application/graphql-response+json, " + _STREAM


async def posted(
    app: ASGIApp, path: str, headers: Sequence[Header], request: Mapping[str, Any]
) -> AsyncGenerator[Any, None]:
    """Post a GraphQL request, and give its answer; or, of a subscription, each one that comes."""
    exchange = _Exchange(orjson.dumps(request))
    own = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"accept", _ACCEPT)]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*own, *headers],
        "server": ("localhost", None),
        "client": None,
    }
    running = asyncio.create_task(exchange.run(app, scope))
    try:
        async with aclosing(exchange.parts()) as parts:
            start = await anext(parts, None)
            headers_sent = dict(start["headers"]) if start else {}
            if headers_sent.get(b"content-type", b"").startswith(_STREAM):
                async for event in _events(parts):
                    yield event
            elif start:
                yield orjson.loads(b"".join([part.get("body", b"") async for part in parts]))
        await running  # for what it may have raised
    finally:
        running.cancel()
        await asyncio.wait([running])


class _Exchange:
    """A request and its answer, as ASGI has them; https://asgi.readthedocs.io/en/latest/specs/www.html."""

    def __init__(self, body: bytes) -> None:
        self._to_receive: list[Message] = [{"type": "http.request", "body": body}]
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue()

    async def run(self, app: ASGIApp, scope: Any) -> None:
        """Have it answered."""
        try:
            await app(scope, self._receive, self._sent.put)
        finally:
            self._sent.put_nowait(None)

    async def parts(self) -> AsyncGenerator[Message, None]:
        """Give what is sent, to its end."""
        while (message := await self._sent.get()) is not None:
            yield message

    async def _receive(self) -> Message:
        if not self._to_receive:
            await asyncio.Event().wait()  # nobody hangs up
        return self._to_receive.pop()


async def _events(parts: AsyncGenerator[Message, None]) -> AsyncGenerator[Any, None]:
    """Read the data out of server-sent events; those without are comments, or the last one."""
    text = b""
    async for part in parts:
        *events, text = (text + part.get("body", b"")).split(b"\n\n")
        for event in events:
            data = event.partition(b"data: ")[2]
            if data:
                yield orjson.loads(data)
