"""The query page: all of it from this host, and nothing that a policy would have to allow."""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from starlette.requests import Request

import gateway.web.pages
from gateway.demo.users import DEMO_USERS
from gateway.web.pages import query_page
from tests.support import Gateway, RestSide, gateway_over

WEB = Path(gateway.web.pages.__file__).parent
STATIC = WEB / "static"
OURS = sorted(file for file in STATIC.iterdir() if file.is_file())
PAGES = sorted(WEB.glob("*.html"))
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
DIALOG_STYLE = "'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='"


@pytest.fixture(params=["graphiql", "query"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return which page there is, whatever this installation was built with."""
    is_graphiql = request.param == "graphiql"
    monkeypatch.setattr(query_page, "_FETCHED", OURS[0] if is_graphiql else STATIC / "nothing")
    return str(request.param)


@pytest.fixture
async def page(kind: str, gateway: Gateway) -> httpx.Response:
    """Return what a browser gets."""
    return await gateway.http.get("/graphql", headers=BROWSER)


async def test_a_browser_gets_the_page(page: httpx.Response, kind: str, rest: RestSide) -> None:
    """It needs no credentials: what is asked from it does."""
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert ("graphiql.min.js" in page.text) == (kind == "graphiql")
    assert rest.calls == 0


async def test_a_browser_at_the_root_is_taken_to_the_page(gateway: Gateway) -> None:
    """On whatever host, and below whatever path, a proxy shows it."""
    response = await gateway.http.get("/", headers={**BROWSER, "Host": "evil.example"})

    assert (response.status_code, response.headers["location"]) == (307, "graphql")
    assert "Accept" in response.headers["vary"].split(", ")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/?query=x"), ("GET", "/graphql/"), ("GET", "/x")]
)
async def test_nothing_else_is_taken_there(gateway: Gateway, method: str, path: str) -> None:
    """A wrong address is told that it is wrong, in a browser too."""
    response = await gateway.http.request(method, path, headers=BROWSER)

    assert response.status_code == 404


async def test_the_page_talks_to_its_own_host_alone(page: httpx.Response, kind: str) -> None:
    """Its policy says so, and allows no inline script, one known style and no frame around it."""
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in page.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {DIALOG_STYLE}" if kind == "graphiql" else "'self'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
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
async def test_the_page_is_guarded_by_its_headers(
    page: httpx.Response, name: str, value: str
) -> None:
    """Credentials are typed into it."""
    assert page.headers[name] == value


@pytest.mark.parametrize(("docs", "address"), [(True, "docs/"), (False, "")])
async def test_the_page_links_to_the_manual(
    kind: str, rest: RestSide, docs: bool, address: str
) -> None:
    """If there is one: a link without an address is not shown."""
    async with gateway_over(rest, docs=docs) as running:
        page = await running.http.get("/graphql", headers=BROWSER)

    attribute = "data-manual" if kind == "graphiql" else "<a href"
    assert f'{attribute}="{address}"' in page.text


async def test_the_page_varies_by_what_is_accepted(page: httpx.Response) -> None:
    """Programs get JSON from the same address."""
    assert "Accept" in page.headers["vary"].split(", ")


async def test_the_page_holds_no_script_and_no_style(page: httpx.Response) -> None:
    """The policy would stop both, and whatever is typed could end up in them."""
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    assert re.findall(r"<script[^>]*>[^<]+</script>", page.text) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=|javascript:", page.text) == []


async def test_the_page_is_the_same_for_every_host(page: httpx.Response, gateway: Gateway) -> None:
    """Nothing that a request says is in it."""
    other = await gateway.http.get("/graphql", headers={**BROWSER, "Host": "<b>.invalid"})

    assert other.text == page.text


@pytest.mark.parametrize("file", [*OURS, *PAGES], ids=lambda file: file.name)
def test_no_file_of_the_page_names_another_host(file: Path) -> None:
    """It works without the internet and tells nobody that it is used."""
    text = file.read_text("utf-8").replace("xmlns='http://www.w3.org/2000/svg'", "")

    assert re.findall(r"(?:https?:|wss?:|[\"'(]//)\S*", text) == []


async def test_what_the_page_links_to_is_there(page: httpx.Response, gateway: Gateway) -> None:
    """Each of its links and files is answered by this host; a build may lack GraphiQL's own."""
    links = [
        link
        for link in re.findall(r'(?:src|href|data-schema)="([^"]+)"', page.text)
        if not link.startswith("data:") and "/vendor/" not in link
    ]

    answers = [(await gateway.http.get(urljoin("/graphql", link))).status_code for link in links]

    assert len(links) >= 3
    assert answers == [200] * len(links)


async def test_the_pages_files_are_kept_for_good(page: httpx.Response, gateway: Gateway) -> None:
    """Their address changes with them, so that browsers need not ask again."""
    (script,) = re.findall(r'src="([^"]+)" type="module"', page.text)

    answer = await gateway.http.get(urljoin("/graphql", script))

    assert re.fullmatch(r"static/[0-9a-f]{12}/\w+\.js", script)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_files_of_another_version_are_not_there(gateway: Gateway) -> None:
    """Or a browser would keep the wrong ones for good."""
    assert (await gateway.http.get("/static/000000000000/main.js")).status_code == 404


async def test_the_page_holds_no_credentials(page: httpx.Response) -> None:
    """Only the demo's page offers any."""
    assert 'data-users="[]"' in page.text
    assert "Basic " not in page.text.replace("Authorization: Basic …", "")


@pytest.mark.usefixtures("kind")
def test_the_demos_page_offers_its_users() -> None:
    """Names and headers are data in an attribute: nothing in them can be markup."""
    user = DEMO_USERS[1]

    shown = query_page.QueryPage([(f'"<b>{user.full_name}', user.authorization_basic, 1)])
    page = bytes(shown.response(Request({"type": "http", "path_params": {}})).body)

    assert b"<b>" not in page
    assert b"&lt;b&gt;Jonas" in page
    assert user.authorization_basic.encode() in page


def test_our_page_keeps_nothing_in_the_browser() -> None:
    """Credentials that were typed in are gone when the page is closed."""
    script = (STATIC / "query.js").read_text("utf-8")

    assert re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie", script) == []


@pytest.mark.parametrize(
    "name", ["answer", "took", "run", "query", "variables", "headers", "example", "user", "users"]
)
def test_our_script_finds_its_elements(name: str) -> None:
    """What it asks for by id is on the page."""
    assert f'byId("{name}")' in (STATIC / "query.js").read_text("utf-8")
    assert f'id="{name}"' in (WEB / "query.html").read_text("utf-8")


async def test_a_query_in_the_address_is_shown_and_not_answered(gateway: Gateway) -> None:
    """A browser that follows such a link gets the page, which reads it from its address."""
    response = await gateway.http.get(
        "/graphql", params={"query": "{ __typename }"}, headers=BROWSER
    )

    assert response.headers["content-type"].startswith("text/html")
    assert "__typename" not in response.text


async def test_the_page_can_be_turned_off(rest: RestSide) -> None:
    """Then there is nothing at the address for browsers, and queries go on working."""
    async with gateway_over(rest, graphiql=False) as gateway:
        page = await gateway.http.get("/graphql", headers=BROWSER)
        root = await gateway.http.get("/", headers=BROWSER)
        data = await gateway.ask("{ chatSessions { chatSessionId } }")

    assert (page.status_code, root.status_code) == (400, 404)
    assert "<" not in page.text
    assert data == {"chatSessions": [{"chatSessionId": 1}]}
