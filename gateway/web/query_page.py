"""The page that people see at `/graphql`: write a query, run it, read the answer.

It is served whole from this host: no script, style or font comes from anywhere else, nothing is
kept in the browser, and its policy lets it talk to this host alone.
"""

from pathlib import Path

from starlette.responses import HTMLResponse, Response

__all__ = ["query_page"]

_PAGE = (Path(__file__).parent / "static" / "query.html").read_text("utf-8")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def query_page() -> Response:
    """Make the page's HTTP answer."""
    return HTMLResponse(_PAGE, headers=_HEADERS)
