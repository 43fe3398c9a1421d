"""How the settings are loaded, and what follows from them."""

import os
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic_core import PydanticUndefined

from gateway.errors import SettingsError
from gateway.settings.fields import Fields
from gateway.settings.messages import (
    NO_UPSTREAM,
    PREFIX,
    TWO_UPSTREAMS,
    bad_setting,
    unknown_setting,
)

_ENVIRONMENT_HOSTS = {
    "sod": "sod.superoffice.com",
    "stage": "qaonline.superoffice.com",
    "online": "online.superoffice.com",
}


class Settings(Fields):
    """How one gateway process behaves; `load` raises `SettingsError`."""

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read the settings from the environment; flags win over it.

        Raises:
            SettingsError: a setting is missing, unknown or wrong; the message is one line.
        """
        for name in sorted(os.environ):
            field = name.removeprefix(PREFIX).lower()
            if name.startswith(PREFIX) and field not in cls.model_fields:
                raise SettingsError(unknown_setting(name, cls.model_fields))
        try:
            return cls(**flags)
        except ValidationError as exc:
            raise SettingsError(bad_setting(exc, cls.model_fields, flags)) from None

    @model_validator(mode="after")
    def _check_upstream(self) -> Self:
        if self.upstream_url is None and self.environment is None:
            raise ValueError(NO_UPSTREAM)
        if self.upstream_url is not None and self.environment is not None:
            raise ValueError(TWO_UPSTREAMS)
        return self

    @classmethod
    def shown_defaults(cls) -> dict[str, str]:
        """Return, for each setting, its default as one would write it; "" where there is none."""
        return {name: _shown(field.default) for name, field in cls.model_fields.items()}

    @property
    def warnings(self) -> list[str]:
        """What works less well than it could, in a sentence each."""
        found = []
        if self.cache_url is not None and "cache_secret" not in self.model_fields_set:
            found.append(
                "GATEWAY_CACHE_SECRET is not set: entries in Redis cannot be read after a restart, "
                "or by other processes"
            )
        if self.cache_url is None and self.webhook_secret is not None and self.workers > 1:
            found.append(
                "GATEWAY_CACHE_URL is not set: only the worker that receives a webhook knows of "
                "it, the others go on polling every few seconds"
            )
        return found

    @property
    def address(self) -> str:
        """SuperOffice's address: the one that is set, or that of the environment."""
        return self.upstream_url or f"https://{_ENVIRONMENT_HOSTS[str(self.environment)]}"

    @property
    def redis_url(self) -> str | None:
        """The URL of the Redis that processes share, with its password."""
        return self.cache_url.get_secret_value() if self.cache_url else None


def _shown(default: object) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)
