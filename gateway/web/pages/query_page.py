"""The page for browsers at `/graphql`: GraphiQL, or a small one of our own if that is missing.

All scripts, styles and fonts come from this host, and the page's policy lets it connect to this
host alone. The variable parts are in `data-` attributes; only the tenant depends on the request.
"""

import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import graphql
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount

from gateway import __version__
from gateway.settings.tenant_names import canonical_tenant
from gateway.web.pages.common import Files
from gateway.web.pages.examples import examples
from gateway.web.read.accept import GRAPHQL_JSON, HTML, JSON, preferred

_PAGES = Path(__file__).parent
_STATIC = _PAGES / "static"
# The last file that the build writes when it fetches GraphiQL.
_FETCHED = _STATIC / "vendor" / "LICENSES.txt"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
# The one style that GraphiQL adds to the page itself, each time it opens a dialog:
# react-remove-scroll-bar's, with the text it has for a page that does not scroll.
_DIALOG_STYLE = "'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='"


def wants_page(request: HTTPConnection) -> bool:
    """Return whether a browser opens the address; the page shows a query in the URL."""
    if request.scope.get("method") != "GET":
        return False
    return preferred(request.headers.get("accept", ""), (JSON, GRAPHQL_JSON, HTML)) == HTML


@dataclass(frozen=True, slots=True)
class QueryPage:
    """The page of a schema, with demo users: name, Authorization and associateId of each.

    All visitors can log in as these. With `has_tenants` the page has a field for the tenant, and
    with `has_manual` a link to the manual.
    """

    schema: graphql.GraphQLSchema
    demo_users: Sequence[tuple[str, str, int]] = ()
    has_tenants: bool = False
    has_manual: bool = False

    def response(self, request: Request) -> Response:
        """Return the page; a tenant's page has an address one level deeper."""
        tenant = canonical_tenant(request.path_params.get("tenant", ""))
        is_graphiql = _FETCHED.is_file()
        root = "../" if tenant else ""
        page = _TEMPLATES["graphiql" if is_graphiql else "query"].substitute(
            version=__version__,
            root=root,
            manual=f"{root}docs/" if self.has_manual else "",
            static=STATIC_PATH,
            endpoint=tenant or "graphql",
            examples=html.escape(json.dumps(examples(self.schema))),
            users=html.escape(json.dumps(self.demo_users)),
            tenants=json.dumps(self.has_tenants and not tenant),
        )
        headers = page_headers(_DIALOG_STYLE if is_graphiql else "")
        return HTMLResponse(page, headers=headers | {"Vary": "Accept"})


def page_headers(style: str = "") -> dict[str, str]:
    """Return the headers of a page that loads from this host alone, and may contain this style."""
    policy = _POLICY.format(styles=f"'self' {style}".strip())
    return {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}


def static_files() -> Mount:
    """Route to the files of the page, under a path that changes with their content."""
    return Mount(f"/{STATIC_PATH}", Files(_STATIC, "public, max-age=31536000, immutable"))


def _version() -> str:
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted(file for file in _STATIC.rglob("*") if file.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


_TEMPLATES = {
    name: Template((_PAGES / f"{name}.html").read_text("utf-8")) for name in ("graphiql", "query")
}
STATIC_PATH = f"static/{_version()}"
"""The path of the pages' scripts and styles, from the root; it changes with their content."""
