"""The queries of the README and the manual run unchanged."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.demo.users import DEMO_USERS
from tests.docs.pages import blocks
from tests.support import gateway_over, served

# The time of the README's answer.
A_MOMENT = 1_790_000_000.0

RECIPES = {
    kind: [block for block in blocks("graphql")[1:] if block.startswith(kind)]
    for kind in ("query", "subscription")
}
# These are empty at times: Kari may have no chat, or none with a known company, and
# every customer may have been answered.
AT_TIMES_EMPTY = {"mine", "mine.contact", "chatSessionSummary.oldestUnanswered"}
VARIABLES = {"me": 101}


def paths(value: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each path in an answer, without row numbers, and whether it has a value."""
    yield path, value is not None and value != []
    for inner in value if isinstance(value, list) else ():
        yield from paths(inner, path)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from paths(inner, f"{path}.{name}".lstrip("."))


async def test_the_readmes_query_gets_the_printed_answer() -> None:
    """The README's query against the demo has an answer like the printed one."""
    query, answer = blocks("graphql")[0], blocks("json")[0]
    demo = create_demo_app(sessions=2, clock=lambda: A_MOMENT)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}
    as_demo = {"so_time_zone": "UTC, includeTZOffset", "accept_language": "en"}

    async with gateway_over(httpx.ASGITransport(demo), **as_demo) as gateway:
        response = await gateway.post(query, headers=user)

    assert response.json() == json.loads(answer)


@pytest.mark.parametrize("recipe", RECIPES["query"])
async def test_a_recipe_is_answered_in_one_rest_call(recipe: str) -> None:
    """Each recipe runs without errors, and all its root fields have data."""
    demo = create_demo_app(clock=lambda: A_MOMENT)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}

    async with gateway_over(httpx.ASGITransport(demo), time_zone="Europe/Oslo") as gateway:
        answer = (await gateway.post(recipe, VARIABLES, user)).json()

    assert "errors" not in answer
    assert None not in answer["data"].values()
    assert demo.state.calls == 1


@pytest.mark.parametrize("recipe", [recipe for kind in RECIPES.values() for recipe in kind])
async def test_a_recipe_always_has_data(recipe: str) -> None:
    """At any time, each of its fields has a value in at least one row of the demo's answer."""
    now = A_MOMENT
    demo = create_demo_app(clock=lambda: now)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}
    query = recipe.replace("subscription", "query", 1)
    all_paths, filled_paths = set(), set()

    async with gateway_over(
        httpx.ASGITransport(demo), time_zone="Europe/Oslo", cache_ttl=0
    ) as gateway:
        for _ in range(20):
            now += 397  # the demo's sessions are all new every 560 seconds
            answer = (await gateway.post(query, VARIABLES, user)).json()
            answer_paths = list(paths(answer["data"]))
            filled = {path for path, is_filled in answer_paths if is_filled}
            assert {path for path, _ in answer_paths} - filled <= AT_TIMES_EMPTY
            all_paths |= {path for path, _ in answer_paths}
            filled_paths |= filled

    assert filled_paths == all_paths


@pytest.mark.socket
@pytest.mark.parametrize("recipe", RECIPES["subscription"])
def test_a_subscription_recipe_begins_at_once(recipe: str) -> None:
    """The first answer of a subscription comes after one REST call, without errors."""
    demo = create_demo_app(clock=lambda: A_MOMENT)
    headers = {
        "Authorization": DEMO_USERS[0].authorization_basic,
        "Accept": "text/event-stream",
    }
    app = create_app(
        Settings(upstream_url="http://demo.invalid"), upstream_transport=httpx.ASGITransport(demo)
    )
    with (
        served(app) as url,
        httpx.stream("POST", f"{url}/graphql", json={"query": recipe}, headers=headers) as stream,
    ):
        event = next(line for line in stream.iter_lines() if line.startswith("data: "))

    answer = json.loads(event.removeprefix("data: "))
    assert "errors" not in answer
    assert answer["data"]["chatSessionSummary"]["longestWaiting"]
    assert not re.search("Seconds|fetchedAt|whenFetched", recipe), "an event at every poll"
    assert demo.state.calls == 1


def test_all_recipes_are_run() -> None:
    """Each recipe begins with the kind of its operation."""
    assert sum(map(len, RECIPES.values())) == len(blocks("graphql")) - 1
