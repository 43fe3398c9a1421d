"""A gateway over the demo REST server, both on real sockets, with a record of the requests."""

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import Settings, create_app
from gateway.demo.users import DEMO_USERS
from tests.support import served

__all__ = ["AUTHORIZATION", "Demo", "Run", "Running", "running"]

AUTHORIZATION = DEMO_USERS[0].authorization_bearer
_NAMES = ("query", "documentId", "doc_id", "id")


@dataclass(frozen=True)
class Demo:
    """The demo REST server."""

    url: str
    app: Any

    @property
    def calls(self) -> int:
        """The number of calls since it started."""
        return int(self.app.state.calls)


@dataclass
class _Recorder:
    """Records the operations in each HTTP request on its way to the app."""

    app: ASGIApp
    requests: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listen() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                content = _content(bytes(body), scope["query_string"].decode())
                self.requests.append(f"{scope['method']} {_summary(content)}")
            await send(message)

        await self.app(scope, listen, answer)


def _content(body: bytes, query_string: str) -> Any:
    try:
        return json.loads(body) if body else dict(parse_qsl(query_string))
    except (ValueError, RecursionError):  # some attacks
        return {}


def _summary(content: Any) -> str:
    if isinstance(content, list):
        return f"[{', '.join(_summary(operation) for operation in content)}]"
    if not isinstance(content, dict):
        return "no operation"
    names = ["hash"] if "persistedQuery" in (content.get("extensions") or "") else []
    return "+".join(names + [name for name in _NAMES if content.get(name)])


@dataclass
class Running:
    """A running gateway."""

    url: str
    requests: list[str]
    """The requests in order: `POST hash`, `GET hash+query`, `POST [query, query]`."""

    demo: Demo
    calls_before: int

    @property
    def calls(self) -> int:
        """The number of its REST calls."""
        return self.demo.calls - self.calls_before


Run = Callable[..., AbstractContextManager[Running]]
"""Runs a gateway with some settings until the context ends."""


@contextlib.contextmanager
def running(demo: Demo, **settings: Any) -> Iterator[Running]:
    """Serve a gateway over the demo REST server."""
    options = {"upstream_url": demo.url, "cache_ttl": 600, **settings}
    recorder = _Recorder(create_app(Settings(**options)))
    with served(recorder) as address:
        yield Running(f"{address}/graphql", recorder.requests, demo, demo.calls)
