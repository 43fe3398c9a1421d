"""A gateway over the demo REST server, both on real sockets, and what went over the wires."""

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
        """How often it was called since it is there."""
        return int(self.app.state.calls)


@dataclass
class _Wire:
    """Notes what each HTTP request brings, on its way to the app."""

    app: ASGIApp
    notes: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listen() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                brought = _brought(bytes(body), scope["query_string"].decode())
                self.notes.append(f"{scope['method']} {_told(brought)}")
            await send(message)

        await self.app(scope, listen, answer)


def _brought(body: bytes, query_string: str) -> Any:
    try:
        return json.loads(body) if body else dict(parse_qsl(query_string))
    except (ValueError, RecursionError):  # what attackers send
        return {}


def _told(brought: Any) -> str:
    if isinstance(brought, list):
        return f"[{', '.join(_told(operation) for operation in brought)}]"
    if not isinstance(brought, dict):
        return "no operation"
    names = ["hash"] if "persistedQuery" in (brought.get("extensions") or "") else []
    return "+".join(names + [name for name in _NAMES if brought.get(name)])


@dataclass
class Running:
    """A running gateway."""

    url: str
    requests: list[str]
    """What came, in order: `POST hash`, `GET hash+query`, `POST [query, query]`."""

    demo: Demo
    calls_before: int

    @property
    def calls(self) -> int:
        """How often it called REST."""
        return self.demo.calls - self.calls_before


Run = Callable[..., AbstractContextManager[Running]]
"""Runs a gateway with some settings for as long as it is needed."""


@contextlib.contextmanager
def running(demo: Demo, **settings: Any) -> Iterator[Running]:
    """Serve a gateway over the demo REST server."""
    options = {"upstream_url": demo.url, "cache_ttl": 600, **settings}
    wire = _Wire(create_app(Settings(**options)))
    with served(wire) as address:
        yield Running(f"{address}/graphql", wire.notes, demo, demo.calls)
