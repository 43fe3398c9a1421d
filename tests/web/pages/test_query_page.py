"""The query page: it loads everything from its own host, under a strict policy."""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from starlette.requests import Request

import gateway.web.pages
from gateway.demo.users import DEMO_USERS
from gateway.executor.internals import graphql_schema
from gateway.schema.build import build_schema
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
    """Return the kind of page, whichever of them this installation was built with."""
    is_graphiql = request.param == "graphiql"
    monkeypatch.setattr(query_page, "_FETCHED", OURS[0] if is_graphiql else STATIC / "nothing")
    return str(request.param)


@pytest.fixture
async def page(kind: str, gateway: Gateway) -> httpx.Response:
    """Return the page that a browser gets."""
    return await gateway.http.get("/graphql", headers=BROWSER)


async def test_a_browser_gets_the_page(page: httpx.Response, kind: str, rest: RestSide) -> None:
    """A browser gets the page without credentials."""
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert ("graphiql.min.js" in page.text) == (kind == "graphiql")
    assert rest.calls == 0


async def test_a_browser_at_the_root_is_redirected_to_the_page(gateway: Gateway) -> None:
    """The redirect is relative, so it works on any host and below any path."""
    response = await gateway.http.get("/", headers={**BROWSER, "Host": "evil.example"})

    assert (response.status_code, response.headers["location"]) == (307, "graphql")
    assert "Accept" in response.headers["vary"].split(", ")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/?query=x"), ("GET", "/graphql/"), ("GET", "/x")]
)
async def test_no_other_path_is_redirected(gateway: Gateway, method: str, path: str) -> None:
    """Other methods and unknown paths get 404, in a browser too."""
    response = await gateway.http.request(method, path, headers=BROWSER)

    assert response.status_code == 404


async def test_the_policy_allows_the_own_host_only(page: httpx.Response, kind: str) -> None:
    """The policy allows the own host only, no inline script, one known style and no frame."""
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
async def test_the_page_has_security_headers(page: httpx.Response, name: str, value: str) -> None:
    """The page, into which credentials are typed, has security headers."""
    assert page.headers[name] == value


@pytest.mark.parametrize(("docs", "address"), [(True, "docs/"), (False, "")])
async def test_the_page_links_to_the_manual(
    kind: str, rest: RestSide, docs: bool, address: str
) -> None:
    """The page links to the manual unless it is turned off."""
    async with gateway_over(rest, docs=docs) as running:
        page = await running.http.get("/graphql", headers=BROWSER)

    attribute = "data-manual" if kind == "graphiql" else "<a href"
    assert f'{attribute}="{address}"' in page.text


async def test_the_page_varies_by_accept(page: httpx.Response) -> None:
    """The page names Accept in Vary, as programs get JSON from the same address."""
    assert "Accept" in page.headers["vary"].split(", ")


async def test_the_page_has_no_inline_script_or_style(page: httpx.Response) -> None:
    """The page has no inline script or style, which the policy would block."""
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    assert re.findall(r"<script[^>]*>[^<]+</script>", page.text) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=|javascript:", page.text) == []


async def test_the_page_is_the_same_for_every_host(page: httpx.Response, gateway: Gateway) -> None:
    """The page contains nothing from the request."""
    other = await gateway.http.get("/graphql", headers={**BROWSER, "Host": "<b>.invalid"})

    assert other.text == page.text


@pytest.mark.parametrize("file", [*OURS, *PAGES], ids=lambda file: file.name)
def test_no_file_of_the_page_names_another_host(file: Path) -> None:
    """The page works without the internet and reports its use to nobody."""
    text = file.read_text("utf-8").replace("xmlns='http://www.w3.org/2000/svg'", "")

    assert re.findall(r"(?:https?:|wss?:|[\"'(]//)\S*", text) == []


async def test_the_page_has_no_broken_links(page: httpx.Response, gateway: Gateway) -> None:
    """Every link and file of the page is answered by this host, GraphiQL's own files apart."""
    links = [
        link
        for link in re.findall(r'(?:src|href|data-schema)="([^"]+)"', page.text)
        if not link.startswith("data:") and "/vendor/" not in link
    ]

    answers = [(await gateway.http.get(urljoin("/graphql", link))).status_code for link in links]

    assert len(links) >= 3
    assert answers == [200] * len(links)


async def test_the_pages_files_are_cached_for_a_year(
    page: httpx.Response, gateway: Gateway
) -> None:
    """Browsers may cache files for a year, as their address changes with their content."""
    (script,) = re.findall(r'src="([^"]+)" type="module"', page.text)

    answer = await gateway.http.get(urljoin("/graphql", script))

    assert re.fullmatch(r"static/[0-9a-f]{12}/\w+\.js", script)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_files_of_another_version_get_404(gateway: Gateway) -> None:
    """Files of another version get 404: a browser would cache the wrong content."""
    assert (await gateway.http.get("/static/000000000000/main.js")).status_code == 404


async def test_the_page_offers_no_credentials(page: httpx.Response) -> None:
    """The page offers no credentials outside the demo."""
    assert 'data-users="[]"' in page.text
    assert "Basic " not in page.text.replace("Authorization: Basic …", "")


@pytest.mark.usefixtures("kind")
def test_the_demos_page_offers_its_users() -> None:
    """The demo's page offers its users, whose names are escaped."""
    user = DEMO_USERS[1]

    schema = graphql_schema(build_schema())
    users = [(f'"<b>{user.full_name}', user.authorization_basic, 1)]
    shown = query_page.QueryPage(schema, users)
    page = bytes(shown.response(Request({"type": "http", "path_params": {}})).body)

    assert b"<b>" not in page
    assert b"&lt;b&gt;Jonas" in page
    assert user.authorization_basic.encode() in page


def test_our_page_stores_nothing_in_the_browser() -> None:
    """Our page uses no storage and no cookies, so typed credentials are gone when it closes."""
    script = (STATIC / "query.js").read_text("utf-8")

    assert re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie", script) == []


@pytest.mark.parametrize(
    "name", ["answer", "took", "run", "query", "variables", "headers", "example", "user", "users"]
)
def test_our_script_finds_its_elements(name: str) -> None:
    """The page has every element that its script looks up by id."""
    assert f'byId("{name}")' in (STATIC / "query.js").read_text("utf-8")
    assert f'id="{name}"' in (WEB / "query.html").read_text("utf-8")


async def test_a_query_in_the_address_is_shown_and_not_answered(gateway: Gateway) -> None:
    """A browser with a query in the address gets the page, which shows the query."""
    response = await gateway.http.get(
        "/graphql", params={"query": "{ __typename }"}, headers=BROWSER
    )

    assert response.headers["content-type"].startswith("text/html")
    assert "__typename" not in response.text


async def test_the_page_can_be_turned_off(rest: RestSide) -> None:
    """With the page turned off, browsers get an error and queries are answered."""
    async with gateway_over(rest, graphiql=False) as gateway:
        page = await gateway.http.get("/graphql", headers=BROWSER)
        root = await gateway.http.get("/", headers=BROWSER)
        data = await gateway.ask("{ chatSessions { chatSessionId } }")

    assert (page.status_code, root.status_code) == (400, 404)
    assert "<" not in page.text
    assert data == {"chatSessions": [{"chatSessionId": 1}]}
