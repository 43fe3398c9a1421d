"""Cross-site requests, which other sites' pages make browsers send."""

from starlette.requests import HTTPConnection

from gateway.errors import BadRequestError

# A page of another site cannot send these without a preflight, which CORS answers. Authorization
# is not among them: browsers can send Basic unasked. Cookies alone are no credentials here.
_PREFLIGHTED = ("apollo-require-preflight", "x-apollo-operation-name", "x-xsrf-token")
_PORTS = {"http": ":80", "https": ":443"}  # which an Origin leaves out, and some proxies do not


def refuse_cross_site(connection: HTTPConnection, allowed_origins: frozenset[str]) -> None:
    """Refuse what a page of another site may have made a browser send.

    A POST is read only as application/json, which needs a preflight; this is for GET. Clients
    other than browsers send none of these headers.
    Sources: Apollo Server's CSRF prevention; Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.

    Raises:
        BadRequestError: the request looks like one.
    """
    headers = connection.headers
    if any(name in headers for name in _PREFLIGHTED):
        return
    if headers.get("content-type", "").lower().startswith("application/json"):
        return
    site = headers.get("sec-fetch-site", "none")
    is_cross_site = "origin" not in headers and site in {"cross-site", "same-site"}
    if is_cross_site or is_foreign(connection, allowed_origins):
        raise BadRequestError(
            "This request could have been made by a page of another site. Send it with the header "
            "`Apollo-Require-Preflight: true`, or as a POST with Content-Type application/json."
        )


def is_foreign(connection: HTTPConnection, allowed_origins: frozenset[str]) -> bool:
    """Return whether a page of another site, which is not allowed, sends the request.

    Clients other than browsers send no Origin.
    """
    headers = connection.headers
    origin = headers.get("origin")
    if origin is None or allowed_origins & {origin, "*"}:
        return False
    if headers.get("sec-fetch-site") == "same-origin":  # by the browser: no page can set it
        return False
    scheme, _, host = origin.partition("://")
    if connection.scope.get("scheme") in {"https", "wss"} and scheme != "https":
        return True  # a proxy in front has taken the request by TLS
    own = headers.get("host", "").removesuffix(_PORTS.get(scheme, ""))
    return host != own
