"""CSRF prevention: refuse requests that pages of other sites make browsers send."""

from starlette.requests import HTTPConnection

from gateway.errors import BadRequestError

# A page of another site cannot send these without a preflight, which CORS answers. Authorization
# is not among them: browsers add Basic by themselves. Cookies alone are no credentials here.
_PREFLIGHTED = ("apollo-require-preflight", "x-apollo-operation-name", "x-xsrf-token")
_PORTS = {"http": ":80", "https": ":443"}  # browsers omit them, some proxies and apps do not
_SCHEMES = {"ws": "http", "wss": "https"}


def refuse_cross_site(connection: HTTPConnection, allowed_origins: frozenset[str]) -> None:
    """Refuse a GET that a page of another site may have made a browser send.

    A POST has to be application/json, which needs a preflight. Only browsers send Sec-Fetch-Site.
    Sources: Apollo Server's CSRF prevention; Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.

    Raises:
        BadRequestError: a page of another site may have sent it.
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
    """Return whether the request comes from a page of another site that is not allowed.

    Apps send the URL of their WebSocket as the Origin, such as `wss://HOST:443`.
    """
    headers = connection.headers
    origin = headers.get("origin")
    if origin is None or allowed_origins & {origin, "*"}:
        return False
    if headers.get("sec-fetch-site") == "same-origin":  # set by the browser: no page can
        return False
    scheme, _, host = origin.lower().partition("://")
    scheme = _SCHEMES.get(scheme, scheme)
    if connection.scope.get("scheme") in {"https", "wss"} and scheme != "https":
        return True  # a page without TLS, while clients reach us by TLS, perhaps of a proxy
    port = _PORTS.get(scheme, "")
    return host.removesuffix(port) != headers.get("host", "").lower().removesuffix(port)
