"""The live wallboard: a page over the gateway's GraphQL API, served by `gateway demo` alone.

Its scripts are the documentation's example of subscriptions, reconnecting, errors and clocks.
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gateway.web.pages.common import Files
from gateway.web.pages.query_page import page_headers

_HERE = Path(__file__).parent


def wallboard_routes(
    users: Sequence[Sequence[object]], endpoint: str, *, has_manual: bool
) -> list[BaseRoute]:
    """Return the routes of the page and its files.

    Args:
        users: name, Authorization and associateId of each, to whom everybody can log in.
        endpoint: the path of GraphQL, relative to the page.
        has_manual: link to the manual's page about it.
    """
    template = Template((_HERE / "wallboard.html").read_text("utf-8"))
    text = template.substitute(
        endpoint=endpoint,
        manual="docs/wallboard" if has_manual else "",
        users=html.escape(json.dumps(users)),
    )

    async def page(_: Request) -> Response:
        return HTMLResponse(text, headers=page_headers())

    return [
        Route("/wallboard", page),
        Mount("/wallboard", Files(_HERE / "static", "no-cache")),
    ]
