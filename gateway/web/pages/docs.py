"""The manual: the Markdown files of `gateway/docs`, as pages at `/docs`.

Links are relative, so that a proxy may serve the gateway under any path. A page is rendered when it
is first opened; the Markdown library is imported then.
"""

import html
import re
from functools import cache
from pathlib import Path
from string import Template

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gateway import __version__
from gateway.web.pages.common import CommonResponse, Files
from gateway.web.pages.query_page import STATIC_PATH, page_headers
from gateway.web.read.accept import JSON

_FOLDER = Path(__file__).parents[2] / "docs"
_CONTENTS = "README"  # the page at `/docs/`; code hosts show it with the folder
_TEMPLATE = Template(Path(__file__).with_name("docs.html").read_text("utf-8"))
_REWRITTEN = (
    (r'href="README\.md', 'href="./'),
    (r'href="([\w-]+)\.md', r'href="\1'),
    (r'href="\.\./\.\./', 'href="../'),  # the schema, which the gateway serves too
    (r' style="text-align:(\w+)"', r' class="\1"'),  # the page's policy forbids styles in it
    (r"<(pre|table)>(.*?)</\1>", r'<div class="wide" tabindex="0"><\1>\2</\1></div>'),
    (r"(?<=[A-Z]_)(?=[A-Z])", "<wbr>"),  # long names of settings, on a phone
    (r"<(h\d)>(.*?)</\1>", lambda found: _heading(found[1], found[2])),
)
"""Patterns in HTML from Markdown for code hosts, and their replacements for our pages."""


def text(page: str) -> str:
    """Return a page as Markdown."""
    return (_FOLDER / f"{page}.md").read_text("utf-8")


@cache
def titles() -> dict[str, str]:
    """Return the title of each page by its name, in the order of the table of contents."""
    names = re.findall(r"\]\((\w[\w-]*)\.md\)", text(_CONTENTS))
    return {name: text(name).partition("\n")[0].removeprefix("# ") for name in names}


def routes() -> list[BaseRoute]:
    """Return the routes of the manual: its pages, its pictures, and its search index."""
    return [
        Route("/docs", lambda _: RedirectResponse("docs/")),  # relative links need the slash
        Mount("/docs/img", Files(_FOLDER / "img", "no-cache")),
        Route("/docs/search.json", lambda _: _search_index()),
        *(Route(path, _answer) for path in ("/docs/", "/docs/{page}")),
    ]


def _answer(request: Request) -> Response:
    page = request.path_params.get("page")
    if page is not None and page not in titles():
        raise HTTPException(404)
    return _page(page or _CONTENTS)


@cache
def _page(name: str) -> Response:
    menu = "\n".join(
        f'<li><a href="{other}"{" aria-current=page" * (other == name)}>{title}</a>'
        for other, title in titles().items()
    )
    title, static = titles().get(name, "Manual"), f"../{STATIC_PATH}"
    filled = {"title": title, "static": static, "menu": menu, "body": _body(name)}
    page = _TEMPLATE.substitute(filled, version=__version__)
    return CommonResponse(page, "text/html", page_headers())


@cache
def _body(name: str) -> str:
    from markdown_it import MarkdownIt

    body = str(MarkdownIt("commonmark").enable("table").render(text(name)))
    for pattern, replacement in _REWRITTEN:
        body = re.sub(pattern, replacement, body, flags=re.DOTALL)
    return body


def _heading(tag: str, content: str) -> str:
    """Return a heading with the id that code hosts give it."""
    slug = re.sub(r"[^\w\- ]", "", _plain(content).lower()).replace(" ", "-")
    return f'<{tag} id="{slug}">{content}</{tag}>'


def _plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


@cache
def _search_index() -> Response:
    """Return each section's address, title and text, as JSON."""
    section = re.compile(r'<h(\d) id="([^"]*)">(.*?)</h\d>(.*?)(?=<h\d id|$)', re.DOTALL)
    found = []
    for name, page in titles().items():
        for level, slug, heading, content in section.findall(_body(name)):
            title = page if level == "1" else f"{page}: {_plain(heading)}"
            words = " ".join(_plain(content).split())
            found.append({"url": f"{name}#{slug}", "title": title, "text": words})
    return CommonResponse(orjson.dumps(found), JSON, page_headers())
