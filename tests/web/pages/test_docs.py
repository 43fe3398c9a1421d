"""The manual at `/docs` and in a terminal."""

import re
from typing import Any

import pytest

from gateway.commands.cli import main
from gateway.web.pages.docs import titles
from tests.support import RestSide, gateway_over


@pytest.mark.parametrize("path", ["/docs/", *(f"/docs/{name}" for name in titles())])
async def test_a_page_has_no_broken_links_and_a_strict_policy(gateway: Any, path: str) -> None:
    """A page lists all pages, has no broken links, and may run no scripts of other hosts."""
    response = await gateway.http.get(path)
    page = response.text

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert "style=" not in page
    assert page.count("<li><a href=") >= len(titles())
    assert "<td>" not in page or '<div class="wide" tabindex="0"><table>' in page
    links = set(re.findall(r'(?:href|src|srcset)="([^"#]+)[^"]*"', page))
    for link in links:
        if not link.startswith(("data:", "https://")):
            target = await gateway.http.get(
                str(response.url.join(link)), headers={"Accept": "text/html"}
            )
            assert target.status_code == 200, link


async def test_headings_have_the_ids_of_code_hosts(gateway: Any) -> None:
    """Headings have the ids that code hosts give them, and links are relative to `/docs/`."""
    page = (await gateway.http.get("/docs/queries")).text

    assert (await gateway.http.get("/docs")).headers["location"] == "docs/"
    assert '<h2 id="search-with-infinite-scroll">' in page
    assert 'href="live"' in page


async def test_the_search_index_has_every_section(gateway: Any) -> None:
    """The search index has the address, title and text of every section."""
    sections = (await gateway.http.get("/docs/search.json")).json()

    assert {section["url"].partition("#")[0] for section in sections} == set(titles())
    [webhooks] = [section for section in sections if section["title"] == "Live updates: Webhooks"]
    assert webhooks["url"] == "live#webhooks"
    assert "GATEWAY_WEBHOOK_SECRET" in webhooks["text"]


async def test_an_unknown_page_is_a_404(gateway: Any) -> None:
    """An unknown page is a 404; the table of contents is at `/docs` only."""
    for path in ("/docs/nothing", "/docs/README", "/docs/img/nothing.png", "/docs/..%2fpyproject"):
        assert (await gateway.http.get(path)).status_code == 404


async def test_the_manual_can_be_turned_off(rest: RestSide) -> None:
    """With `docs` off, all paths below `/docs` are 404."""
    async with gateway_over(rest, docs=False) as gateway:
        for path in ("/docs", "/docs/queries", "/docs/search.json"):
            assert (await gateway.http.get(path)).status_code == 404


def test_the_command_lists_and_prints_pages(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints pages as Markdown without pictures; an unknown page is a usage error."""
    assert main(["docs"]) == 0
    listed = capsys.readouterr().out
    assert main(["docs", "performance"]) == 0
    printed = capsys.readouterr().out

    assert [line.split()[0] for line in listed.splitlines()] == list(titles())
    assert printed.startswith("# Performance\n")
    assert "<picture>" not in printed
    with pytest.raises(SystemExit):
        main(["docs", "nothing"])


def test_a_terminal_gets_a_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the command shows a page in a pager."""
    shown: list[str] = []
    monkeypatch.setattr("gateway.commands.docs.pydoc.pager", shown.append)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    assert main(["docs", "limits"]) == 0
    assert shown[0].startswith("# Limits\n")
