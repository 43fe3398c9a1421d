"""How one gateway process behaves: `GATEWAY_*` in the environment, or the flags of the same name.

Each setting is declared once, here; flags, `--help` and the README's table come from it.
"""

import difflib
import json
import os
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.errors import SettingsError

__all__ = ["Settings"]

_PREFIX = "GATEWAY_"
_EXAMPLE_URL = "https://crm.example.com/superoffice"


def _setting(default: Any, description: str, *, example: str, **more: Any) -> Any:
    if not callable(default):
        more["default"] = default
    else:
        more["default_factory"] = default
    return Field(description=description, examples=[example], **more)


Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What can be set; see each field's description. Raises `SettingsError` from `load` alone."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True)

    upstream_url: str = _setting(
        ...,
        "SuperOffice's address: what comes before `/api/v1`",
        example=_EXAMPLE_URL,
    )
    host: str = _setting("127.0.0.1", "Address to listen on", example="0.0.0.0")  # noqa: S104
    port: int = _setting(
        8000, "Port to listen on; 0 takes a free one", example="8000", ge=0, le=65535
    )
    workers: int = _setting(1, "Processes that serve requests", example="4", ge=1, le=64)
    cache_ttl: Seconds = _setting(
        5.0,
        "Seconds for which REST's answer is used again for the same caller; 0 = only by requests "
        "that wait for it at the same time",
        example="5",
    )
    cache_max_bytes: ByteSize = _setting(
        "256MiB", "Memory for cached answers; the least recently used goes first", example="256MiB"
    )
    cache_secret: SecretStr = _setting(
        lambda: SecretStr(secrets.token_urlsafe(32)),
        "Key for the digests that name callers in the cache; random at each start unless set",
        example="32 or more random characters",
    )
    upstream_connect_timeout: Timeout = _setting(3.0, "Seconds to connect to REST", example="3")
    upstream_timeout: Timeout = _setting(
        10.0, "Seconds for a whole REST call, its retry included", example="10"
    )
    upstream_connections: int = _setting(
        64, "REST calls at the same time, per process", example="64", ge=1, le=10_000
    )
    max_upstream_bytes: ByteSize = _setting(
        "16MiB", "Largest REST answer, after decompression", example="16MiB"
    )
    app_token: SecretStr | None = _setting(
        None,
        "`SO-AppToken`, the application's client secret, added for callers that send none",
        example="your application's client secret",
    )
    forward_cookies: str = _setting(
        "*",
        "Names of the cookies that go to REST in session mode, separated by commas; `*` = all",
        example="ASP.NET_SessionId,XSRF-TOKEN",
    )
    graphiql: bool = _setting(True, "Serve the query page to browsers at `/graphql`", example="off")
    introspection: bool = _setting(True, "Answer introspection queries", example="off")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least important message that is logged", example="info"
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto", "`auto` = text on a terminal, JSON elsewhere", example="json"
    )

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read the settings from the environment; flags win over it.

        Raises:
            SettingsError: a setting is missing, unknown or wrong; the message is one line.
        """
        unknown = sorted(
            name
            for name in os.environ
            if name.startswith(_PREFIX)
            and name.removeprefix(_PREFIX).lower() not in cls.model_fields
        )
        if unknown:
            raise SettingsError(_unknown(unknown[0], cls.model_fields))
        try:
            return cls(**flags)
        except ValidationError as exc:
            raise SettingsError(_explained(exc)) from None

    @field_validator("upstream_url")
    @classmethod
    def _check_upstream_url(cls, value: str) -> str:
        value = value.strip()
        if " " in value or not value.isprintable():
            raise ValueError("it must not hold spaces or control characters")
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("it must start with http:// or https:// and a host")
        if url.username is not None or url.password is not None:
            raise ValueError("it must not hold credentials: callers bring their own")
        if not _has_usable_port(url):
            raise ValueError("its port must be a number from 1 to 65535")
        if url.query or url.fragment:
            raise ValueError("it must end with the path")
        path = url.path.rstrip("/").removesuffix("/v1").removesuffix("/api").rstrip("/")
        return f"{url.scheme}://{url.netloc}{path}"

    @field_validator("app_token")
    @classmethod
    def _check_app_token(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if not (text.isascii() and text.isprintable()):
            raise ValueError("it must be printable ASCII, as it goes into a header")
        return value

    @field_validator("cache_secret")
    @classmethod
    def _check_cache_secret(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("it must have at least 32 characters")
        return value

    @classmethod
    def shown_defaults(cls) -> dict[str, str]:
        """Return, for each setting, its default as one would write it; "" where there is none."""
        return {name: _shown(field.default) for name, field in cls.model_fields.items()}

    @property
    def forward_cookie_names(self) -> frozenset[bytes] | None:
        """Names of the cookies to forward, or None for all."""
        if self.forward_cookies.strip() == "*":
            return None
        names = (name.strip() for name in self.forward_cookies.split(","))
        return frozenset(name.encode() for name in names if name)


def _has_usable_port(url: SplitResult) -> bool:
    try:
        return url.port != 0
    except ValueError:
        return False


def _shown(default: object) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    known = [f"{_PREFIX}{field.upper()}" for field in fields]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`gateway serve --help` lists the settings."
    return f"{name}: there is no such setting; {hint}"


def _explained(exc: ValidationError) -> str:
    error = exc.errors(include_url=False)[0]
    field = str(error["loc"][0])
    if error["type"] == "missing":
        return (
            f"{_PREFIX}UPSTREAM_URL is not set: SuperOffice's address, for example "
            f"{_PREFIX}UPSTREAM_URL={_EXAMPLE_URL}. To try the gateway without one: gateway demo"
        )
    info = Settings.model_fields[field]
    reason = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    # What stands before an @ in a URL may be a password.
    is_secret = "SecretStr" in str(info.annotation) or "@" in str(error["input"])
    given = "" if is_secret else f"={json.dumps(str(error['input'])[:80], ensure_ascii=False)}"
    example = (info.examples or [""])[0]
    name = f"{_PREFIX}{field.upper()}"
    return f"{name}{given}: {reason}; for example {name}={example}"
