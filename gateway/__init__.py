"""A GraphQL gateway over SuperOffice's chat sessions."""

from gateway.settings import Settings
from gateway.web.app import create_app

__all__ = ["Settings", "__version__", "create_app"]

__version__ = "0.1.0"
