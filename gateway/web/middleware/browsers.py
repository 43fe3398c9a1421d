"""What protects people's browsers: cross-site requests, and headers that rule out the rest."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BadRequestError

__all__ = ["SecurityHeaders", "refuse_cross_site"]

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

    A POST is read only as application/json, which needs a preflight; this is for GET. Tools that
    are no browsers send none of the headers that tell on a page.
    Sources: Apollo Server's CSRF prevention; Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.

    Raises:
        BadRequestError: the request looks like one.
    """
    if any(name in headers for name in _PREFLIGHTED):
        return
    if headers.get("content-type", "").lower().startswith("application/json"):
        return
    origin = headers.get("origin")
    is_foreign = origin is not None and not (
        allowed_origins & {origin, "*"} or origin.partition("://")[2] == headers.get("host")
    )
    site = headers.get("sec-fetch-site", "none")
    if is_foreign or (origin is None and site in {"cross-site", "same-site"}):
        raise BadRequestError(
            "This request could have been made by a page of another site. Send it with the header "
            "`Apollo-Require-Preflight: true`, or as a POST with Content-Type application/json."
        )


class SecurityHeaders:
    """Puts on every answer what keeps browsers from guessing types, framing, telling referrers."""

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
