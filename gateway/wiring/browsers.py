"""The middleware for pages of other sites."""

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from gateway.headers import Use, names
from gateway.settings import Settings


def cross_origin(settings: Settings) -> list[Middleware]:
    """Return the CORS middleware, if pages of other sites may use the gateway."""
    origins = settings.cors_origins
    if not origins:
        return []
    return [
        Middleware(
            _CORS,
            allow_origins=sorted(origins),
            # With `*`, any page could read data with a visitor's cookies.
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                *names(Use.CORS, has_tenants=settings.environment is not None),
                *settings.cors_headers,
            ],
            allow_private_network="*" not in origins,
            expose_headers=names(Use.EXPOSED),
            max_age=600,
        )
    ]


class _CORS(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; if headers are refused, name them."""
        sent = dict(request_headers)
        elements = sent.pop("access-control-request-headers", "").lower().split(",")
        requested = [name.strip() for name in elements if name.strip()]
        if requested:  # empty elements of a list mean nothing (RFC 9110, section 5.6.1)
            sent["access-control-request-headers"] = ",".join(requested)
        response = super().preflight_response(Headers(sent))
        refused = [name for name in requested if name not in self.allow_headers]
        if response.status_code == 200 or not refused:
            return response
        text = (
            f"Disallowed CORS headers: {', '.join(refused)}. GATEWAY_CORS_HEADERS can allow them."
        )
        return PlainTextResponse(text, status_code=400, headers=self.preflight_headers)
