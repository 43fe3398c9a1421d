"""The middleware for pages of other sites."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.headers import Use, names
from gateway.settings import Settings


def cross_origin(settings: Settings) -> list[Middleware]:
    """Return the CORS middleware, if pages of other sites may use the gateway."""
    origins = settings.cors_origins
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            # With `*`, any page could read what a visitor's cookies open.
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST"],
            allow_headers=names(Use.CORS, has_tenants=settings.environment is not None),
            expose_headers=names(Use.EXPOSED),
            max_age=600,
        )
    ]
