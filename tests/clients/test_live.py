"""Subscriptions in common clients, over a demo with changes every second."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.server.servers import config_of
from tests.clients.network import Network
from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Demo, Running, running
from tests.clock import fast_clock
from tests.commands.test_serving import ADDRESS
from tests.commands.test_serving import running as command
from tests.ports import free_port
from tests.support import served

pytestmark = pytest.mark.socket

LIST = "subscription { chatSessions(limit: 60) { id status lastMessage } }"
CHANGES = """
subscription { chatSessionChanges { isInitial changes { kind changedFields session { id } } } }
"""
CLIENTS = [
    "graphqlWs",
    "graphqlSse",
    "apolloOverWs",
    "apolloByItself",
    "urqlOverWs",
    "urqlOverSse",
    "urqlByItself",
]
RECONNECTING = ["graphqlWs", "graphqlSse"]
"""The clients that reconnect by themselves."""


@pytest.fixture(scope="module")
def busy() -> Iterator[Running]:
    """Return a gateway over a demo with changes every second."""
    app = create_demo_app(sessions=60, clock=fast_clock())
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
    """Check that a list came, and then a different one."""
    first, second = (answer["chatSessions"] for answer in answers)
    assert len(first) == len(second) == 60
    assert first != second


def check_changes(answers: list[Any]) -> None:
    """Check that all sessions came, and then the changes."""
    first, second = (answer["chatSessionChanges"] for answer in answers)
    assert (first["isInitial"], second["isInitial"]) == (True, False)
    assert {change["kind"] for change in first["changes"]} == {"ADDED"}
    assert 0 < len(second["changes"]) < 60


@pytest.mark.parametrize("name", CLIENTS)
def test_a_javascript_client_watches_a_list(client: Script, busy: Running, name: str) -> None:
    """The client gets the current list, and another one after a change."""
    check_list(client(name, url=busy.url, authorization=AUTHORIZATION, query=LIST, count=2))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_javascript_client_watches_changes(client: Script, busy: Running, name: str) -> None:
    """The client gets all sessions, and then the changes."""
    check_changes(client(name, url=busy.url, authorization=AUTHORIZATION, query=CHANGES, count=2))


@pytest.mark.parametrize(("query", "check"), [(LIST, check_list), (CHANGES, check_changes)])
async def test_the_python_client_watches_lists_and_changes(
    busy: Running, query: str, check: Any
) -> None:
    """The gql client subscribes over a WebSocket."""
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


def test_a_client_that_was_asleep_gets_the_changes(client: Script, busy: Running) -> None:
    """A client that answers no pings is not closed with a code that stops reconnects."""
    app = create_app(Settings(upstream_url=busy.demo.url, live_interval=0.5))
    config = config_of(app)
    options = {name: getattr(config, name) for name in ("http", "ws", "ws_ping_timeout")}
    with served(app, ws_ping_interval=0.1, proxy_headers=False, **options) as url:
        to = {"url": f"{url}/graphql", "authorization": AUTHORIZATION, "query": LIST}
        before = client("begin", name="graphqlWs", **to)
        client("sleep", ms=1_500)
        after = client("end", name="graphqlWs")

    check_list([before, after])


@pytest.mark.parametrize("name", RECONNECTING)
def test_a_client_reconnects_after_failed_attempts(
    client: Script, busy: Running, name: str
) -> None:
    """Every attempt fails while the network is down; later the client gets a new first event."""
    port = int(busy.url.split(":")[2].partition("/")[0])
    with Network(port) as network:
        to = {"url": f"{network.url}/graphql", "authorization": AUTHORIZATION}
        first = client("begin", name=name, **to, query=CHANGES)["chatSessionChanges"]
        network.cut()
        client("retries", count=5)
        network.restore()
        second = client("end", name=name, isAnew=True)["chatSessionChanges"]

    assert first["isInitial"] is second["isInitial"] is True


def test_after_a_process_was_killed_the_screen_shows_the_current_state(
    client: Script, demo: Demo
) -> None:
    """The client reconnects to another process, and gets a new first event."""
    serve = ("serve", "--upstream-url", demo.url, "--port")
    port = str(free_port())
    with command(*serve, port) as process:
        address = process.waits_for(f"serving {ADDRESS}/graphql")
        process.waits_for("Application startup complete")
        to = {"url": f"{address}/graphql", "authorization": AUTHORIZATION, "query": CHANGES}
        before = [client("begin", name=name, **to) for name in RECONNECTING]
        process.ends(signal.SIGKILL)
    with command(*serve, port):
        after = [client("end", name=name) for name in RECONNECTING]

    assert all(answer["chatSessionChanges"]["isInitial"] for answer in (*before, *after))
    assert before == after
