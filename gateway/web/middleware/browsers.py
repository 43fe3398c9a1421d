"""What protects people's browsers: cross-site requests, and headers that rule out the rest."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BadRequestError

# A page of another site cannot send these without a preflight, which CORS answers. Authorization
# is not among them: browsers can send Basic unasked. Cookies alone are no credentials here.
_PREFLIGHTED = ("apollo-require-preflight", "x-apollo-operation-name", "x-xsrf-token")

_GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


def refuse_cross_site(headers: Headers, allowed_origins: frozenset[str]) -> None:
    """Refuse what a page of another site may have made a browser send.

    A POST is read only as application/json, which needs a preflight; this is for GET. Clients
    other than browsers send none of these headers.
    Sources: Apollo Server's CSRF prevention; Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.

    Raises:
        BadRequestError: the request looks like one.
    """
    if any(name in headers for name in _PREFLIGHTED):
        return
    if headers.get("content-type", "").lower().startswith("application/json"):
        return
    site = headers.get("sec-fetch-site", "none")
    is_cross_site = "origin" not in headers and site in {"cross-site", "same-site"}
    if is_cross_site or is_foreign(headers, allowed_origins):
        raise BadRequestError(
            "This request could have been made by a page of another site. Send it with the header "
            "`Apollo-Require-Preflight: true`, or as a POST with Content-Type application/json."
        )


def is_foreign(headers: Headers, allowed_origins: frozenset[str]) -> bool:
    """Return whether a page of another site, which is not allowed, sends the request.

    Clients other than browsers send no Origin.
    """
    origin = headers.get("origin")
    if origin is None or allowed_origins & {origin, "*"}:
        return False
    if headers.get("sec-fetch-site") == "same-origin":  # by the browser: no page can set it
        return False
    return origin.partition("://")[2] != headers.get("host")


class SecurityHeaders:
    """Adds the headers that keep browsers from sniffing types, framing and sending referrers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its answer."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] += [guard for guard in _GUARDS if guard[0] not in there]
            await send(message)

        await self.app(scope, receive, send_guarded if scope["type"] == "http" else send)
