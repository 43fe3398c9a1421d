"""The manual: the Markdown files of `gateway/docs`, as pages at `/docs`.

Links are relative, so that a proxy may serve the gateway under a path of its own. A page is
rendered when it is first opened; the Markdown library is imported then.
"""

import html
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway import __version__
from gateway.web.pages.query_page import STATIC_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_FOLDER = Path(__file__).parents[2] / "docs"
_CONTENTS = "README"  # the page at `/docs`; code hosts show it with the folder
_TEMPLATE = Template(Path(__file__).with_name("docs.html").read_text("utf-8"))
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
}


def text(page: str) -> str:
    """Return a page as Markdown."""
    return (_FOLDER / f"{page}.md").read_text("utf-8")


@cache
def titles() -> dict[str, str]:
    """Return the title of each page by its name, in the order of the table of contents."""
    names = re.findall(r"\]\((\w[\w-]*)\.md\)", text(_CONTENTS))
    return {name: text(name).partition("\n")[0].removeprefix("# ") for name in names}


def routes() -> list[BaseRoute]:
    """Return the routes of the manual: its pages, its pictures, and what its search reads."""
    return [
        Mount("/docs/img", StaticFiles(directory=_FOLDER / "img")),
        Route("/docs/search.json", lambda request: Response(_index(), 200, _HEADERS | _JSON)),
        *(Route(path, _answer) for path in ("/docs", "/docs/", "/docs/{page}")),
    ]


_JSON = {"Content-Type": "application/json"}


def _answer(request: Request) -> Response:
    page = request.path_params.get("page", _CONTENTS)
    if "page" in request.path_params and page not in titles():
        raise HTTPException(404)
    return HTMLResponse(_page(page, is_top=request.url.path.endswith("/docs")), headers=_HEADERS)


@cache
def _page(name: str, *, is_top: bool) -> str:
    """Render a page; the addresses in it are relative to `/docs` itself, or to what is below it."""
    root, folder = ("", "docs/") if is_top else ("../", "")
    menu = (
        f'<li><a href="{folder}{other}"{" aria-current=page" * (other == name)}>{title}</a>'
        for other, title in titles().items()
    )
    return _TEMPLATE.substitute(
        title=html.escape(titles().get(name, "Manual")),
        root=root,
        folder=folder,
        static=f"{root}{STATIC_PATH}",
        menu="\n".join(menu),
        body=_body(name, root, folder),
        version=__version__,
    )


def _body(name: str, root: str, folder: str) -> str:
    from markdown_it import MarkdownIt

    tokens = _tokens(name)
    for token in tokens:
        for part in (token, *(token.children or ())):
            if href := part.attrGet("href"):
                part.attrSet("href", _address(str(href), root, folder))
            if src := part.attrGet("src"):
                part.attrSet("src", f"{folder}{src}")
            if style := part.attrs.pop("style", None):  # of a column; the page's policy forbids it
                part.attrSet("class", str(style).rpartition(":")[2])
        if token.type == "html_block":
            token.content = re.sub(r'(src|srcset)="', rf"\g<0>{folder}", token.content)
    body = str(MarkdownIt().renderer.render(tokens, MarkdownIt().options, {}))
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>')
    return body.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def _address(href: str, root: str, folder: str) -> str:
    """Return the address on a running gateway of what a link in a file leads to."""
    if href.startswith("../../"):  # the schema, which the gateway serves too
        return href.replace("../../", root)
    page, dot, anchor = href.partition(".md")
    if not dot or ":" in page:
        return href
    return f"{root}docs{anchor}" if page == _CONTENTS else f"{folder}{page}{anchor}"


def _tokens(name: str) -> "list[Token]":
    """Parse a page; its headings have the ids that code hosts give them."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(text(name))
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", re.sub(r"[^\w\- ]", "", inside.content.lower()).replace(" ", "-"))
    return tokens


@cache
def _index() -> bytes:
    """Return what the search reads: each section's address, title and text."""
    found = [section for name in titles() for section in _sections(name, _tokens(name))]
    return json.dumps(found, ensure_ascii=False).encode()


def _sections(name: str, tokens: "Sequence[Token]") -> Iterator[dict[str, str]]:
    section: dict[str, str] = {}
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            if section:
                yield section
            title = f"{titles()[name]}: {token.content}" if before.tag != "h1" else token.content
            section = {"url": f"{name}#{before.attrGet('id')}", "title": title, "text": ""}
        elif token.type in {"inline", "fence"}:
            section["text"] += f"{token.content} "
    yield section
