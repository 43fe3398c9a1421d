"""Subscriptions in the clients that people use, over a desk where things happen."""

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
RETURNING = ["graphqlWs", "graphqlSse"]
"""Those that connect again by themselves."""


@pytest.fixture(scope="module")
def busy() -> Iterator[Running]:
    """Return a gateway over a desk where something happens every second."""
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


def test_a_client_that_was_asleep_gets_what_has_happened(client: Script, busy: Running) -> None:
    """It answers no ping meanwhile, and is not closed with a code after which it gives up."""
    app = create_app(Settings(upstream_url=busy.demo.url, live_interval=0.5))
    config = config_of(app)
    options = {name: getattr(config, name) for name in ("http", "ws", "ws_ping_timeout")}
    with served(app, ws_ping_interval=0.1, proxy_headers=False, **options) as url:
        to = {"url": f"{url}/graphql", "authorization": AUTHORIZATION, "query": LIST}
        before = client("begin", name="graphqlWs", **to)
        client("sleep", ms=1_500)
        after = client("end", name="graphqlWs")

    check_list([before, after])


@pytest.mark.parametrize("name", RETURNING)
def test_a_client_comes_back_after_failed_attempts_to_connect(
    client: Script, busy: Running, name: str
) -> None:
    """While the network is gone every attempt fails; afterwards the client begins anew."""
    port = int(busy.url.split(":")[2].partition("/")[0])
    with Network(port) as network:
        to = {"url": f"{network.url}/graphql", "authorization": AUTHORIZATION}
        first = client("begin", name=name, **to, query=CHANGES)["chatSessionChanges"]
        network.cut()
        client("retries", count=5)
        network.restore()
        second = client("end", name=name, isAnew=True)["chatSessionChanges"]

    assert first["isInitial"] is second["isInitial"] is True


def test_after_a_process_was_killed_the_screen_shows_what_there_is(
    client: Script, demo: Demo
) -> None:
    """The client comes back by itself, to another process, and is told to begin anew."""
    serve = ("serve", "--upstream-url", demo.url, "--port")
    port = str(free_port())
    with command(*serve, port) as process:
        address = process.waits_for(f"serving {ADDRESS}/graphql")
        process.waits_for("Application startup complete")
        to = {"url": f"{address}/graphql", "authorization": AUTHORIZATION, "query": CHANGES}
        before = [client("begin", name=name, **to) for name in RETURNING]
        process.ends(signal.SIGKILL)
    with command(*serve, port):
        after = [client("end", name=name) for name in RETURNING]

    assert all(answer["chatSessionChanges"]["isInitial"] for answer in (*before, *after))
    assert before == after
