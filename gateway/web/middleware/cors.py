"""CORS, for pages of other sites."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from gateway.headers import Use, names
from gateway.settings import Settings
from gateway.web.read.accept import LONGEST_LIST


class Cors(CORSMiddleware):
    """Lets pages of the origins in the settings use the gateway."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        # With `*`, any page could read data with a visitor's cookies.
        is_for_some = "*" not in settings.cors_origins
        ours = names(Use.CORS, has_tenants=settings.environment is not None)
        super().__init__(
            app,
            allow_origins=sorted(settings.cors_origins),
            allow_credentials=is_for_some,
            allow_methods=["GET", "POST"],
            allow_headers=[*ours, *settings.cors_headers],
            allow_private_network=is_for_some,
            expose_headers=names(Use.EXPOSED),
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; a refusal names the headers and the settings."""
        sent = dict(request_headers)
        elements = sent.pop("access-control-request-headers", "")[:LONGEST_LIST].lower().split(",")
        requested = [name.strip() for name in elements if name.strip()]
        if requested:  # empty elements of a list mean nothing (RFC 9110, section 5.6.1)
            sent["access-control-request-headers"] = ",".join(requested)
        response = super().preflight_response(Headers(sent))
        if response.status_code == 200:
            return response
        refused = ", ".join(name for name in requested if name not in self.allow_headers)
        what = bytes(response.body).decode() + (f": {refused}" if refused else "")
        text = f"{what}. GATEWAY_CORS_ORIGINS and GATEWAY_CORS_HEADERS name what is allowed."
        return PlainTextResponse(text, status_code=400, headers=self.preflight_headers)
