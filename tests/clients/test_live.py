"""Subscriptions in the clients that people use, over a desk where things happen."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from gateway.demo.app import create_demo_app
from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Demo, Running, running
from tests.support import served

pytestmark = pytest.mark.socket

LIST = "subscription { chatSessions(limit: 60) { id status lastMessage } }"
CHANGES = """
subscription { chatSessionChanges { isInitial changes { kind changedFields session { id } } } }
"""
CLIENTS = ["graphqlWs", "graphqlSse", "apollo", "urqlOverWs", "urqlOverSse", "urqlByItself"]


@pytest.fixture(scope="module")
def busy() -> Iterator[Running]:
    """Return a gateway over a desk where something happens every second."""
    app = create_demo_app(sessions=60)
    with (
        served(app) as url,
        running(Demo(url, app), live_interval=0.5) as gateway,
    ):
        yield gateway


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[Script]:
    """Return the JavaScript clients."""
    with node.script("live.mjs") as script:
        yield script


def check_list(answers: list[Any]) -> None:
    """Check that a list came, and then another one."""
    first, second = (answer["chatSessions"] for answer in answers)
    assert len(first) == len(second) == 60
    assert first != second


def check_changes(answers: list[Any]) -> None:
    """Check that all that was there came, and then what had happened."""
    first, second = (answer["chatSessionChanges"] for answer in answers)
    assert (first["isInitial"], second["isInitial"]) == (True, False)
    assert {change["kind"] for change in first["changes"]} == {"ADDED"}
    assert 0 < len(second["changes"]) < 60


@pytest.mark.parametrize("name", CLIENTS)
def test_a_javascript_client_watches_a_list(client: Script, busy: Running, name: str) -> None:
    """As it is, and as it is after something has happened."""
    check_list(client(name, url=busy.url, authorization=AUTHORIZATION, query=LIST, count=2))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_javascript_client_watches_changes(client: Script, busy: Running, name: str) -> None:
    """All that is there, and then what happens."""
    check_changes(client(name, url=busy.url, authorization=AUTHORIZATION, query=CHANGES, count=2))


@pytest.mark.parametrize(("query", "check"), [(LIST, check_list), (CHANGES, check_changes)])
async def test_the_python_client_watches(busy: Running, query: str, check: Any) -> None:
    """With gql, over a WebSocket."""
    transport = WebsocketsTransport(
        busy.url.replace("http", "ws", 1), init_payload={"Authorization": AUTHORIZATION}
    )
    answers: list[Any] = []
    async with Client(transport=transport) as session:
        async for answer in session.subscribe(gql(query)):
            answers.append(answer)
            if len(answers) == 2:
                break

    check(answers)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def started(port: int, upstream_url: str) -> "subprocess.Popen[bytes]":
    """Start `gateway serve` and wait until it is ready."""
    process = subprocess.Popen(
        (sys.executable, "-m", "gateway", "serve", "--port", str(port)),
        env={**os.environ, "GATEWAY_UPSTREAM_URL": upstream_url, "GATEWAY_LOG_LEVEL": "error"},
    )
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/readyz")
            return process
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("it did not start")  # pragma: no cover - only when it is broken


@pytest.mark.parametrize("name", ["graphqlWs", "graphqlSse"])
def test_after_a_process_was_killed_the_screen_shows_what_there_is(
    client: Script, demo: Demo, name: str
) -> None:
    """The client comes back by itself, to another process, and is told to begin anew."""
    port, answers = free_port(), list[Any]()

    def watch() -> None:
        to = {"url": f"http://127.0.0.1:{port}/graphql", "authorization": AUTHORIZATION}
        answers.extend(client(name, **to, query=CHANGES, count=2))

    calls = demo.calls
    process = started(port, demo.url)
    try:
        watching = threading.Thread(target=watch)
        watching.start()
        while demo.calls == calls and watching.is_alive():
            time.sleep(0.05)
        time.sleep(0.5)
        process.kill()
        process.wait()
        process = started(port, demo.url)
        watching.join(timeout=25)
    finally:
        process.kill()
        process.wait()

    first, second = (answer["chatSessionChanges"] for answer in answers)
    assert first["isInitial"] is second["isInitial"] is True
    assert first == second
