"""The wallboard page: served only by the demo, with a strict policy."""

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
    """The page needs no other host, has no inline scripts, and offers the demo's users."""
    page = await get(create_gateway(SETTINGS, users=USERS, url=url), "/wallboard")

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert f'data-endpoint="{endpoint}"' in page.text
    assert "Kari \\&quot;K\\&quot; Nordmann" in page.text


@pytest.mark.parametrize(("docs", "link"), [(True, "docs/wallboard"), (False, "")])
async def test_it_links_to_the_manual_if_there_is_one(docs: bool, link: str) -> None:
    """Without a manual the link has no address, and is not shown."""
    settings = SETTINGS.model_copy(update={"docs": docs})
    page = await get(create_gateway(settings, users=USERS, url=None), "/wallboard")

    assert f'<a href="{link}">How it works</a>' in page.text


@pytest.mark.parametrize("name", ["wallboard.js", "live.js", "wallboard.css"])
async def test_its_files_are_small_and_revalidated(name: str) -> None:
    """A changed file is used at once."""
    file = await get(create_gateway(SETTINGS, users=USERS, url=None), f"/wallboard/{name}")

    assert (file.status_code, file.headers["cache-control"]) == (200, "no-cache")
    assert len(file.content) < 10_000


@pytest.mark.parametrize("path", ["/wallboard", "/wallboard/live.js"])
async def test_a_real_gateway_has_no_wallboard(path: str) -> None:
    """The wallboard's users are those of the demo."""
    assert (await get(create_app(SETTINGS), path)).status_code == 404


def test_its_address_is_printed_first() -> None:
    """The demo's output starts with its most useful page."""
    text = welcome("http://127.0.0.1:8000/graphql", USERS, {})

    assert text.split()[:2] == ["Wallboard", "http://127.0.0.1:8000/wallboard"]
    assert re.search("^Manual +http://127.0.0.1:8000/docs ", text, re.MULTILINE)
