"""A GraphQL gateway over SuperOffice's chat sessions."""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["Settings", "__version__", "create_app"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gateway.app import create_app
    from gateway.settings import Settings
else:
    _MODULES = {"Settings": "gateway.settings", "create_app": "gateway.app"}

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562): most commands need neither."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)
