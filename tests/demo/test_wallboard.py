"""The wallboard page: served by the demo alone, with a strict policy, and named first."""

import re

import httpx
import pytest
from starlette.applications import Starlette

from gateway import Settings, create_app
from gateway.commands.demo import create_gateway
from gateway.demo.welcome import welcome

USERS = [('Kari "K" Nordmann', "Basic a2FyaQ==", 101)]
SETTINGS = Settings(upstream_url="http://superoffice.invalid")


async def get(app: Starlette, path: str) -> httpx.Response:
    """Open a page."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:
        return await http.get(path)


@pytest.mark.parametrize(
    ("url", "endpoint"), [(None, "graphql"), ("http://rest.invalid", "graphql/Cust10001")]
)
async def test_the_demo_has_a_wallboard(url: str | None, endpoint: str) -> None:
    """It loads nothing from elsewhere, runs no script in the page, and offers the demo's users."""
    page = await get(create_gateway(SETTINGS, users=USERS, url=url), "/wallboard")

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert f'data-endpoint="{endpoint}"' in page.text
    assert "Kari \\&quot;K\\&quot; Nordmann" in page.text


@pytest.mark.parametrize(("docs", "link"), [(True, "docs/wallboard"), (False, "")])
async def test_it_links_to_the_manual_if_there_is_one(docs: bool, link: str) -> None:
    """A link without an address is not shown."""
    settings = SETTINGS.model_copy(update={"docs": docs})
    page = await get(create_gateway(settings, users=USERS, url=None), "/wallboard")

    assert f'<a href="{link}">How it works</a>' in page.text


@pytest.mark.parametrize("name", ["wallboard.js", "live.js", "wallboard.css"])
async def test_its_files_are_small_and_checked_each_time(name: str) -> None:
    """So whoever changes one sees it."""
    file = await get(create_gateway(SETTINGS, users=USERS, url=None), f"/wallboard/{name}")

    assert (file.status_code, file.headers["cache-control"]) == (200, "no-cache")
    assert len(file.content) < 10_000


@pytest.mark.parametrize("path", ["/wallboard", "/wallboard/live.js"])
async def test_a_gateway_has_none(path: str) -> None:
    """Its users are those of the demo."""
    assert (await get(create_app(SETTINGS), path)).status_code == 404


def test_its_address_is_told_first() -> None:
    """Whoever starts the demo sees at once what it is for."""
    text = welcome("http://127.0.0.1:8000/graphql", USERS, {})

    assert text.split()[:2] == ["Wallboard", "http://127.0.0.1:8000/wallboard"]
    assert re.search("^Manual +http://127.0.0.1:8000/docs$", text, re.MULTILINE)
