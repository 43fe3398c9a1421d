"""How a gateway process behaves: `GATEWAY_*` in the environment, or flags of the same names."""

from gateway.settings.settings import Settings

__all__ = ["Settings"]
