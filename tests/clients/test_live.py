"""Subscriptions in common clients, over a demo with changes every second."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from gateway import Settings, create_app
from gateway.demo import wallboard
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
from tests.waiting import until_soon

pytestmark = pytest.mark.socket

LIST = "subscription { chatSessions(limit: 60) { id status lastMessage } }"
CHANGES = """
subscription { chatSessionChanges { isInitial changes { kind changedFields session { id } } } }
"""
LIVE_JS = Path(wallboard.__path__[0], "static", "live.js")
CLIENTS = [
    "graphqlWs",
    "graphqlSse",
    "apolloOverWs",
    "apolloByItself",
    "urqlOverWs",
    "urqlOverSse",
    "urqlByItself",
]
RECONNECTING = ["graphqlWs", "graphqlSse", "apolloOverHttp"]
"""The clients that reconnect, with the manual's code."""


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


@pytest.fixture(scope="module")
def fast_client(node: Node) -> Iterator[Script]:
    """Return the clients with timers that are ten times as fast: they wait for seconds."""
    with node.script("live.mjs", "10") as script:
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
    """A client that answers no pings is disconnected, without a code that stops reconnects."""
    app = create_app(Settings(upstream_url=busy.demo.url, live_interval=0.5))
    config = config_of(app)
    options = {name: getattr(config, name) for name in ("http", "ws", "ws_ping_timeout")}
    with served(app, ws_ping_interval=0.1, proxy_headers=False, **options) as url:
        to = {"url": f"{url}/graphql", "authorization": AUTHORIZATION, "query": CHANGES}
        before = client("begin", name="graphqlWs", **to)["chatSessionChanges"]
        client("sleep", ms=1_500)
        after = client("end", name="graphqlWs", isAnew=True)["chatSessionChanges"]

    assert before["isInitial"] is after["isInitial"] is True


@pytest.fixture
def network(busy: Running) -> Iterator[Network]:
    """Return a network between the clients and the gateway."""
    with Network(int(busy.url.split(":")[2].partition("/")[0])) as network:
        yield network


@pytest.mark.parametrize("name", RECONNECTING)
def test_a_client_reconnects_after_failed_attempts(
    fast_client: Script, network: Network, name: str
) -> None:
    """Every attempt fails while the network is down; later the client gets a new first event."""
    to = {"url": f"{network.url}/graphql", "authorization": AUTHORIZATION}
    first = fast_client("begin", name=name, **to, query=CHANGES)["chatSessionChanges"]
    network.cut()
    fast_client("attempts", count=5)
    network.restore()
    second = fast_client("end", name=name, isAnew=True)["chatSessionChanges"]

    assert first["isInitial"] is second["isInitial"] is True


@pytest.mark.parametrize("name", ["graphqlSse", "apolloOverHttp"])
def test_a_client_waits_for_a_place(fast_client: Script, busy: Running, name: str) -> None:
    """A subscription beyond a limit is refused, and tried again until there is a place."""
    ask: Any = {"json": {"query": CHANGES}, "headers": {"Authorization": AUTHORIZATION}}
    ask["headers"]["Accept"] = "text/event-stream"
    with (
        running(busy.demo, live_interval=0.5, max_sockets_per_caller=1) as gateway,
        ThreadPoolExecutor() as pool,
    ):
        to = {"url": gateway.url, "authorization": AUTHORIZATION, "query": CHANGES}
        with httpx.stream("POST", gateway.url, **ask):
            begun = pool.submit(fast_client, "begin", name=name, **to)
            until_soon(lambda: len(gateway.requests) >= 3)
        assert begun.result()["chatSessionChanges"]["isInitial"]
        fast_client("end", name=name)


def test_a_client_notices_a_connection_that_is_lost_without_a_close(
    fast_client: Script, network: Network
) -> None:
    """A ping without an answer makes it reconnect, and it gets a new first event."""
    to = {"url": f"{network.url}/graphql", "authorization": AUTHORIZATION}
    first = fast_client("begin", name="graphqlWs", **to, query=CHANGES)["chatSessionChanges"]
    network.lose()
    second = fast_client("end", name="graphqlWs", isAnew=True)["chatSessionChanges"]

    assert first["isInitial"] is second["isInitial"] is True


def test_a_slow_line_is_not_a_lost_connection(fast_client: Script) -> None:
    """Events show the manual's client and the wallboard that it is open; silence is a loss."""
    assert fast_client("slowLine", wallboard=LIVE_JS.read_text("utf-8")) == [3, 3]


def test_a_client_waits_up_to_thirty_seconds_and_by_chance(client: Script) -> None:
    """However long an outage was, a client is back within a minute."""
    url = f"http://127.0.0.1:{free_port()}/graphql"
    waits = client("waits", url=url, authorization=AUTHORIZATION, query=CHANGES, count=20)

    seconds = [min(30, 2**failures) for failures in range(20)]
    factors = [wait / 1_000 / second for wait, second in zip(waits, seconds, strict=True)]
    assert all(0.5 <= factor <= 1.5 for factor in factors)
    assert len(set(factors)) == 20


def test_after_a_process_was_killed_the_screen_shows_the_current_state(
    fast_client: Script, demo: Demo
) -> None:
    """The client reconnects to another process, and gets a new first event."""
    serve = ("serve", "--upstream-url", demo.url, "--port")
    port = str(free_port())
    with command(*serve, port) as process:
        address = process.waits_for(f"serving {ADDRESS}/graphql")
        to = {"url": f"{address}/graphql", "authorization": AUTHORIZATION, "query": CHANGES}
        before = [fast_client("begin", name=name, **to) for name in RECONNECTING]
        process.ends(signal.SIGKILL)
    with command(*serve, port):
        after = [fast_client("end", name=name) for name in RECONNECTING]

    assert all(answer["chatSessionChanges"]["isInitial"] for answer in (*before, *after))
    assert before == after


def test_urql_over_fetch_does_not_reconnect(client: Script, demo: Demo) -> None:
    """After a restart of the gateway its subscription has ended without an error."""
    with command("serve", "--upstream-url", demo.url, "--port", str(free_port())) as process:
        address = process.waits_for(f"serving {ADDRESS}/graphql")
        to = {"url": f"{address}/graphql", "authorization": AUTHORIZATION, "query": CHANGES}
        client("urqlBegin", **to)
        process.ends(signal.SIGTERM)

    assert client("urqlEnd") == {"error": None}
