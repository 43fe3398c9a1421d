"""The normalised caches of clients, with the manual's code."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.upstream.client import PATH
from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Demo, Running, running
from tests.clock import fast_clock
from tests.support import served

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def caches(node: Node) -> Iterator[Script]:
    """Return the clients with their caches."""
    with node.script("caches.mjs") as script:
        yield script


def ask(caches: Script, scenario: str, live: Running, **more: Any) -> Any:
    """Run a scenario against a gateway."""
    return caches(scenario, url=live.url, authorization=AUTHORIZATION, **more)


def test_two_polled_summaries_do_not_evict_each_other(caches: Script, live: Running) -> None:
    """Each makes its own six requests, and none because of the other's answers."""
    assert ask(caches, "summaries", live, times=6) == [6, 6]
    assert len(live.requests) == 12


def test_fetch_more_adds_rows(caches: Script, live: Running) -> None:
    """Two pages of five are ten different rows."""
    rows = ask(caches, "pages", live)

    assert len(rows) == len(set(rows)) == 10


@pytest.mark.parametrize("scenario", ["apolloWarnings", "graphcacheWarnings"])
def test_a_cache_logs_no_warnings(caches: Script, shared: Running, scenario: str) -> None:
    """The recipe names every type without an `id`."""
    assert ask(caches, scenario, shared) == []


def test_one_invalid_value_hides_no_row(caches: Script, demo: Demo) -> None:
    """With `errorPolicy: 'all'`, twenty rows are shown together with the error."""
    answer = httpx.get(f"{demo.url}{PATH}", headers={"Authorization": AUTHORIZATION}).json()
    sessions = [{**session, "ChatSessionId": n} for n, session in enumerate(2 * answer, 1)][:20]
    sessions[3]["ChatSessionId"] = "four"
    rest = Starlette(routes=[Route(PATH, lambda _: JSONResponse(sessions))])
    with served(rest) as url, served(create_app(Settings(upstream_url=url))) as gateway:
        to = {"url": f"{gateway}/graphql", "authorization": AUTHORIZATION}
        result = caches("oddValue", **to)

    assert result == {"rows": 20, "paths": [["chatSessions", 3, "chatSessionId"]]}


class Desk:
    """SuperOffice's sessions of customers with these names; "Odd" has an invalid status."""

    def __init__(self, *names: str) -> None:
        self.names, self.is_down = [*names], False

    def answer(self, _: object) -> Response:
        """Return the answer of the REST API."""
        sessions = [
            {
                "ChatSessionId": ord(name[0]),
                "CustomerName": name,
                "Status": None if name.startswith("Odd") else "InQueue",
                "Contact": {"ContactId": 5, "CountryName": "Norway"},
            }
            for name in self.names
        ]
        return JSONResponse(sessions, 500 if self.is_down else 200)


@pytest.fixture(params=["apollo", "urql"])
def kept(node: Node, request: pytest.FixtureRequest) -> Iterator[tuple[Desk, Script]]:
    """Return a desk, and a client for which `keep` shows its list and keeps it up to date."""
    desk = Desk("Ada", "Odd")
    rest = Starlette(routes=[Route(PATH, desk.answer)])
    with (
        served(rest) as url,
        served(create_app(Settings(upstream_url=url, live_interval=0.2, cache_ttl=0.1))) as gateway,
        node.script("caches.mjs", request.param, f"{gateway}/graphql", AUTHORIZATION) as client,
    ):
        yield desk, client


def test_an_invalid_value_loses_no_row_of_a_live_list(kept: tuple[Desk, Script]) -> None:
    """A session with an invalid value is shown, and so are the others, whatever changes."""
    desk, client = kept
    client("keep")
    for names in (
        ["Ada", "Odd"],
        ["Ada", "Odd", "Bo"],
        ["Ada", "Odd 2", "Bo", "Cai"],
        ["Ada", "Bo", "Cai"],
        ["Ada", "Bo", "Cai", "Odd", "Dag"],
        ["Bo", "Cai", "Odd", "Dag"],
    ):
        desk.names = names
        assert client("names", expected=names) == names


def test_a_live_list_is_complete_after_an_outage(kept: tuple[Desk, Script]) -> None:
    """The client fetches the list during an outage, and the next change brings all rows back."""
    desk, client = kept
    client("keep")
    client("names", expected=["Ada", "Odd"])
    desk.is_down = True
    client("lose")
    desk.names, desk.is_down = ["Ada", "Odd", "Bo"], False

    assert client("names", expected=desk.names) == desk.names


def test_a_live_list_may_begin_in_an_outage(kept: tuple[Desk, Script]) -> None:
    """The first event is an error; later the client shows all rows."""
    desk, client = kept
    desk.is_down = True
    client("keep")
    client("lose")
    desk.is_down = False

    assert client("names", expected=desk.names) == desk.names


@pytest.mark.parametrize("scenario", ["apolloList", "urqlList"])
def test_changes_keep_a_list_up_to_date(caches: Script, scenario: str) -> None:
    """Events add and remove rows, and the final list is SuperOffice's."""
    app = create_demo_app(sessions=30, clock=fast_clock())
    with served(app) as url, running(Demo(url, app), live_interval=0.2, cache_ttl=0.1) as live:
        result = ask(caches, scenario, live, changes=2)

    assert len(result["first"]) == 30
    assert result["last"] != result["first"]
    # Sessions change between the two requests: the clock runs at ten times the speed.
    assert len(set(result["last"]) ^ set(result["now"])) <= 6, json.dumps(result)
