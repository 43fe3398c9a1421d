"""How one gateway process behaves: `GATEWAY_*` in the environment, or the flags of the same name.

Each setting is declared once, here; flags, `--help` and the README's table come from it.
"""

import os
import re
import secrets
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.errors import SettingsError
from gateway.setting_errors import EXAMPLE_URL, PREFIX, bad_setting, unknown_setting

__all__ = ["Settings"]

# As browsers write it: in small letters, ASCII.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")


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

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    upstream_url: str = _setting(
        ...,
        "SuperOffice's address: what comes before `/api/v1`",
        example=EXAMPLE_URL,
    )
    host: str = _setting("127.0.0.1", "Address to listen on", example="0.0.0.0")  # noqa: S104
    port: int = _setting(
        8000, "Port to listen on; 0 takes a free one", example="8000", ge=0, le=65535
    )
    metrics_port: int | None = _setting(
        None,
        "Port of its own, on the same address, for `/metrics`, which is then nowhere else",
        example="9090",
        ge=0,
        le=65535,
    )
    workers: int = _setting(
        1, "Processes that serve requests, each with its own cache", example="4", ge=1, le=64
    )
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
    time_zone: str | None = _setting(
        None,
        "Zone of the times that REST gives without one, as long as a caller's `SO-TimeZone` names "
        "no other; unset = not known",
        example="Europe/Oslo",
    )
    hidden_fields: str = _setting(
        "",
        "Fields to leave out of the schema, separated by commas; what is told from them stays",
        example="ChatSession.sessionKey,ChatSession.customerHost",
    )
    cors_origins: str = _setting(
        "",
        "Other sites whose pages may use the gateway, separated by commas; `*` = any, but without "
        "cookies",
        example="https://console.example.com,https://wallboard.example.com",
    )
    persisted_queries: bool = _setting(
        True,
        "Keep queries that clients then name by their SHA-256 (Apollo's protocol)",
        example="off",
    )
    trusted_documents: Path | None = _setting(
        None,
        "File of queries that clients name by their id, as GraphQL Code Generator, the Relay "
        "compiler or Apollo write it",
        example="persisted-documents.json",
    )
    trusted_documents_only: bool = _setting(
        False, "Run nothing but the trusted documents", example="on"
    )
    client_cache_control: bool = _setting(
        True,
        "Heed `Cache-Control: no-cache` and `max-age` of requests: they can ask for a fresh answer",
        example="off",
    )
    request_timeout: Timeout = _setting(30.0, "Seconds for a whole request", example="30")
    max_body_bytes: ByteSize = _setting("1MiB", "Largest request body", example="1MiB")
    max_batch: int = _setting(
        8, "Most operations in one request; 0 = no batches", example="8", ge=0, le=100
    )
    max_variables_bytes: ByteSize = _setting("64KiB", "Largest `variables`", example="64KiB")
    max_variables_depth: int = _setting(
        20, "Deepest nesting of `variables`", example="20", ge=1, le=100
    )
    max_characters: int = _setting(
        100_000, "Longest query, in characters", example="100000", ge=100
    )
    max_tokens: int = _setting(2_000, "Most tokens of a query", example="2000", ge=10)
    max_depth: int = _setting(15, "Deepest nesting of a query's fields", example="15", ge=1)
    max_aliases: int = _setting(50, "Most aliases of a query", example="50", ge=0)
    max_root_fields: int = _setting(20, "Most root fields of a query", example="20", ge=1)
    max_directives: int = _setting(50, "Most directives of a query", example="50", ge=0)
    max_repeats: int = _setting(
        20, "How often a query may select the same field in one place", example="20", ge=1
    )
    max_cost: int = _setting(
        500_000,
        "Most points a query may cost: one per field, times the size of the lists around it; a "
        "list of sessions counts as its `limit`, `first` or `last`, or as 100, others as 10",
        example="500000",
        ge=1,
    )
    suggestions: bool = _setting(
        True, "Let errors say which field may have been meant", example="off"
    )
    graphiql: bool = _setting(True, "Serve the query page to browsers at `/graphql`", example="off")
    introspection: bool = _setting(
        True, "Answer introspection queries; `/schema.graphql` is served either way", example="off"
    )
    ready_check: Seconds = _setting(
        0.0,
        "Seconds from one check that REST can be reached to the next, for `/readyz`; 0 = none",
        example="10",
    )
    tracing: bool = _setting(
        False,
        "Send traces as the OTEL_* variables say; needs the extra `tracing`",
        example="on",
    )
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
            if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in cls.model_fields
        )
        if unknown:
            raise SettingsError(unknown_setting(unknown[0], cls.model_fields))
        try:
            return cls(**flags)
        except ValidationError as exc:
            raise SettingsError(bad_setting(exc, cls.model_fields)) from None

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

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            raise ValueError("it must be the name of a zone in the IANA database")
        return value

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

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, value: str) -> str:
        for origin in _names(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError("an origin is a scheme and a host, with nothing after it")
        return value

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Origins of other sites whose pages may use the gateway; `*` for any."""
        return _names(self.cors_origins)

    @property
    def zone(self) -> zoneinfo.ZoneInfo | None:
        """The zone of the times that REST gives without one, where it is known."""
        return zoneinfo.ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def hidden_field_names(self) -> frozenset[str]:
        """Names such as `ChatSession.sessionKey`."""
        return _names(self.hidden_fields)

    @property
    def forward_cookie_names(self) -> frozenset[bytes] | None:
        """Names of the cookies to forward, or None for all."""
        if self.forward_cookies.strip() == "*":
            return None
        return frozenset(name.encode() for name in _names(self.forward_cookies))


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


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
