"""Stand-ins for both sides of the gateway: the REST API, and a GraphQL client."""

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
"""A fake REST API as a function: returns an `httpx.Response`, or an awaitable of one."""


@dataclass
class RestSide:
    """A fake REST API inside the process: answers with `body`, or with the result of `answer`.

    `requests` holds every call that it received.
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
            response = self.answer(request)
            return response if isinstance(response, httpx.Response) else await response
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
        """Send a query; by default with credentials that the fake REST API accepts."""
        body = {"query": query, "variables": variables or {}}
        sent = CREDENTIALS if headers is None else headers
        # A task of its own: Python 3.11 stops tracing, and coverage counting, the coroutines that
        # an exception was thrown through, even where one further in catches it.
        return await asyncio.create_task(self.http.post("/graphql", json=body, headers=dict(sent)))

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Send a query, require that it succeeds, and return its data."""
        answer = (await self.post(query, variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]


def loaded(values: dict[str, Any]) -> Settings:
    """Return a copy of cached settings: loading them takes 5 ms."""
    environment = tuple(item for item in os.environ.items() if item[0].startswith("GATEWAY_"))
    try:
        return _loaded(environment, **values).model_copy()
    except TypeError:  # unhashable, such as a list
        return Settings(**values)


@functools.lru_cache(maxsize=None, typed=True)
def _loaded(environment: tuple[tuple[str, str], ...], **values: Any) -> Settings:
    return Settings(**values)


@contextlib.asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[Gateway]:
    """Run a gateway in process."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http,
    ):
        yield Gateway(http, app)


@contextlib.asynccontextmanager
async def gateway_over(
    rest: httpx.AsyncBaseTransport | Answer, **settings: Any
) -> AsyncIterator[Gateway]:
    """Run a gateway in process over a fake REST API: a function of a request, or a transport."""
    transport = rest if isinstance(rest, httpx.AsyncBaseTransport) else httpx.MockTransport(rest)
    app = create_app(
        loaded({"upstream_url": UPSTREAM_URL, **settings}), upstream_transport=transport
    )
    async with running(app) as gateway:
        yield gateway


@contextlib.contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI app on a free loopback port, in a thread; yields its address."""
    config = uvicorn.Config(app, log_config=None, access_log=False, **options)
    with served_by(uvicorn.Server(config)) as url:
        yield url


@contextlib.contextmanager
def served_by(server: uvicorn.Server) -> Iterator[str]:
    """Run a server on a free loopback port, in a thread; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
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
