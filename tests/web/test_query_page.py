"""The query page: all of it from this host, and nothing that a policy would have to allow."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

import gateway.web
from tests.support import Gateway, RestSide, gateway_over

STATIC = Path(gateway.web.__file__).parent / "static"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_gets_the_page(gateway: Gateway, rest: RestSide) -> None:
    """It needs no credentials: what is asked from it does."""
    response = await gateway.http.get("/graphql", headers=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text.startswith("<!doctype html>")
    assert rest.calls == 0


async def test_the_page_talks_to_its_own_host_alone(gateway: Gateway) -> None:
    """Its policy says so, and allows no inline script and no frame around it."""
    response = await gateway.http.get("/graphql", headers=BROWSER)

    policy = dict(
        directive.strip().split(" ", 1)
        for directive in response.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-cache"),
    ],
)
async def test_the_page_is_guarded_by_its_headers(gateway: Gateway, name: str, value: str) -> None:
    """Credentials are typed into it."""
    response = await gateway.http.get("/graphql", headers=BROWSER)

    assert response.headers[name] == value


async def test_the_page_holds_no_script_and_no_style(gateway: Gateway) -> None:
    """The policy would stop both, and whatever is typed could end up in them."""
    page = (await gateway.http.get("/graphql", headers=BROWSER)).text

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<script[^>]*>[^<]+</script>", page) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=|javascript:", page) == []


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_no_file_of_the_page_names_another_host(file: Path) -> None:
    """It works without the internet and tells nobody that it is used."""
    assert re.findall(r"(?:https?:|wss?:|[\"'(]//)\S*", file.read_text("utf-8")) == []


async def test_what_the_page_links_to_is_there(gateway: Gateway) -> None:
    """Each of its links and files is answered by this host."""
    page = (await gateway.http.get("/graphql", headers=BROWSER)).text
    links = [
        link for link in re.findall(r'(?:src|href)="([^"]+)"', page) if not link.startswith("data:")
    ]

    answers = [(await gateway.http.get(urljoin("/graphql", link))).status_code for link in links]

    assert len(links) >= 3
    assert answers == [200] * len(links)


def test_the_page_keeps_nothing_in_the_browser() -> None:
    """Credentials that were typed in are gone when the page is closed."""
    script = (STATIC / "query.js").read_text("utf-8")

    assert re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie", script) == []


@pytest.mark.parametrize("name", ["answer", "took", "run", "query", "variables", "headers"])
def test_the_script_finds_its_elements(name: str) -> None:
    """What it asks for by id is on the page."""
    assert f'byId("{name}")' in (STATIC / "query.js").read_text("utf-8")
    assert f'id="{name}"' in (STATIC / "query.html").read_text("utf-8")


async def test_a_query_in_the_address_is_answered_and_not_shown(gateway: Gateway) -> None:
    """A browser that follows such a link gets the answer."""
    response = await gateway.http.get(
        "/graphql", params={"query": "{ __typename }"}, headers=BROWSER
    )

    assert response.json() == {"data": {"__typename": "Query"}}


async def test_the_page_can_be_turned_off(rest: RestSide) -> None:
    """Then there is nothing at the address for browsers, and queries go on working."""
    async with gateway_over(rest, graphiql=False) as gateway:
        page = await gateway.http.get("/graphql", headers=BROWSER)
        data = await gateway.ask("{ chatSessions { chatSessionId } }")

    assert page.status_code == 404
    assert "<" not in page.text
    assert data == {"chatSessions": [{"chatSessionId": 1}]}
