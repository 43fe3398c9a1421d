"""Stand-ins for the two sides of the gateway: REST, and a GraphQL client."""

import asyncio
import contextlib
import functools
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from gateway import Settings, create_app

UPSTREAM_URL = "http://rest.invalid"
CREDENTIALS = {"Authorization": "Basic ZGVtbzpkZW1v"}
SESSION = {"ChatSessionId": 1, "TopicId": 4, "Status": "InQueue", "CustomerName": "Ada"}

Answer = Callable[[httpx.Request], Any]
"""A REST side as a function: gives an `httpx.Response`, or an awaitable of one."""


@dataclass
class RestSide:
    """Plays REST inside the process: answers with `body`, or whatever `answer` makes.

    `requests` holds every call that reached it.
    """

    body: Any = field(default_factory=lambda: [SESSION])
    answer: Answer | None = None
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answer is not None:
            made = self.answer(request)
            return made if isinstance(made, httpx.Response) else await made
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return httpx.Response(200, content=body, headers={"Content-Type": "application/json"})


@dataclass
class Gateway:
    """A client of one running gateway."""

    http: httpx.AsyncClient
    app: Starlette

    async def post(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a query; with `headers` None it carries credentials that REST accepts."""
        body = {"query": query, "variables": variables or {}}
        sent = CREDENTIALS if headers is None else headers
        # A task of its own: Python 3.11 stops tracing, and coverage counting, the coroutines that
        # an exception was thrown through, even where one further in catches it.
        return await asyncio.create_task(self.http.post("/graphql", json=body, headers=dict(sent)))

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Send a query that has to succeed and return its data."""
        answer = (await self.post(query, variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]


def loaded(given: dict[str, Any]) -> Settings:
    """Return a copy of settings that were loaded before: to load them takes 5 ms."""
    environment = tuple(item for item in os.environ.items() if item[0].startswith("GATEWAY_"))
    try:
        return _loaded(environment, **given).model_copy()
    except TypeError:  # a list, for example, is no key
        return Settings(**given)


@functools.lru_cache(maxsize=None, typed=True)
def _loaded(environment: tuple[tuple[str, str], ...], **given: Any) -> Settings:
    return Settings(**given)


@contextlib.asynccontextmanager
async def gateway_over(
    rest: httpx.AsyncBaseTransport | Answer, **settings: Any
) -> AsyncIterator[Gateway]:
    """Run a gateway in process over a REST side: a function of a request, or a transport."""
    transport = rest if isinstance(rest, httpx.AsyncBaseTransport) else httpx.MockTransport(rest)
    app = create_app(
        loaded({"upstream_url": UPSTREAM_URL, **settings}), upstream_transport=transport
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gateway.invalid"
        ) as http,
    ):
        yield Gateway(http, app)


@contextlib.contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI app on a free loopback port, in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
