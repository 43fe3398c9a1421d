"""How a gateway process behaves: `GATEWAY_*` in the environment, or flags of the same names."""

from gateway.settings.fields import Settings

__all__ = ["Settings"]
