"""A GraphQL gateway over SuperOffice's chat sessions."""

from gateway.app import create_app
from gateway.settings import Settings

__all__ = ["Settings", "__version__", "create_app"]

__version__ = "0.1.0"
