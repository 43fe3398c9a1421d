"""The queries of the README and of the manual run as they stand."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.demo.app import create_demo_app
from gateway.demo.users import DEMO_USERS
from tests.docs.pages import blocks
from tests.support import gateway_over, served

# When the README's answer was given.
A_MOMENT = 1_790_000_000.0

RECIPES = {
    kind: [block for block in blocks("graphql")[1:] if block.startswith(kind)]
    for kind in ("query", "subscription")
}
# What nobody can promise: Kari has no chat at times, or not with a company that is known, and
# every customer may have been answered.
AT_TIMES_EMPTY = {"mine", "mine.contact", "chatSessionSummary.oldestUnanswered"}


def places(value: Any, place: str = "") -> Iterator[tuple[str, bool]]:
    """Give each place in an answer, whichever row it is in, and whether there is anything."""
    yield place, value is not None and value != []
    for inner in value if isinstance(value, list) else ():
        yield from places(inner, place)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, f"{place}.{name}".lstrip("."))


async def test_the_query_gets_the_answer_beside_it() -> None:
    """Whoever runs the README's query against the demo sees an answer like the one shown."""
    query, answer = blocks("graphql")[0], blocks("json")[0]
    demo = create_demo_app(sessions=2, clock=lambda: A_MOMENT)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}
    as_demo = {"so_time_zone": "UTC, includeTZOffset", "accept_language": "en"}

    async with gateway_over(httpx.ASGITransport(demo), **as_demo) as gateway:
        response = await gateway.post(query, headers=user)

    assert response.json() == json.loads(answer)


@pytest.mark.parametrize("recipe", RECIPES["query"])
async def test_a_recipe_is_answered_in_one_rest_call(recipe: str) -> None:
    """Each recipe runs as it stands, without an error, and none of its fields is without data."""
    demo = create_demo_app(clock=lambda: A_MOMENT)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}

    async with gateway_over(httpx.ASGITransport(demo), time_zone="Europe/Oslo") as gateway:
        answer = (await gateway.post(recipe, headers=user)).json()

    assert "errors" not in answer
    assert None not in answer["data"].values()
    assert demo.state.calls == 1


@pytest.mark.parametrize("recipe", [recipe for kind in RECIPES.values() for recipe in kind])
async def test_a_recipe_shows_something_whenever_it_is_tried(recipe: str) -> None:
    """Whoever pastes it into the demo sees each of its fields filled, in one row at least."""
    now = A_MOMENT
    demo = create_demo_app(clock=lambda: now)
    user = {"Authorization": DEMO_USERS[0].authorization_basic}
    query = recipe.replace("subscription", "query", 1)
    asked, seen = set(), set()

    async with gateway_over(
        httpx.ASGITransport(demo), time_zone="Europe/Oslo", cache_ttl=0
    ) as gateway:
        for _ in range(20):
            now += 397  # the desk is another one every 560 seconds
            answer = (await gateway.post(query, headers=user)).json()
            found = list(places(answer["data"]))
            filled = {place for place, is_filled in found if is_filled}
            assert {place for place, _ in found} - filled <= AT_TIMES_EMPTY
            asked |= {place for place, _ in found}
            seen |= filled

    assert seen == asked


@pytest.mark.socket
@pytest.mark.parametrize("recipe", RECIPES["subscription"])
def test_a_recipe_that_moves_begins_at_once(recipe: str) -> None:
    """Its first answer has no error, and is there after one REST call."""
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
    assert demo.state.calls == 1


def test_all_recipes_are_run() -> None:
    """Each of them begins with what it is."""
    assert sum(map(len, RECIPES.values())) == len(blocks("graphql")) - 1
