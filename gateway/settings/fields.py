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

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.errors import SettingsError
from gateway.settings.messages import (
    EXAMPLE_URL,
    NO_UPSTREAM,
    PREFIX,
    TWO_UPSTREAMS,
    bad_setting,
    unknown_setting,
)
from gateway.settings.tenant_names import canonical_tenant

__all__ = ["Settings"]

# As browsers write it: in small letters, ASCII.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")

# Of two labels at least: a whole top-level domain is nobody's.
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")

_ENVIRONMENT_HOSTS = {
    "sod": "sod.superoffice.com",
    "stage": "qaonline.superoffice.com",
    "online": "online.superoffice.com",
}


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

    upstream_url: str | None = _setting(
        None,
        "SuperOffice's address: what comes before `/api/v1`",
        example=EXAMPLE_URL,
    )
    environment: Literal["sod", "stage", "online"] | None = _setting(
        None,
        "Environment of SuperOffice Online whose tenants are served, in place of one address",
        example="online",
    )
    tenants: str = _setting(
        "",
        "Tenants of the environment that are served, separated by commas; unset = all",
        example="Cust12345,Cust67890",
    )
    tenant_hosts: str = _setting(
        "superoffice.com",
        "Domains that a tenant's address may be in, separated by commas; callers' credentials go "
        "to no host outside them",
        example="superoffice.com",
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
        1, "Processes that serve requests, each with its own memory", example="4", ge=1, le=64
    )
    cache_ttl: Seconds = _setting(
        5.0,
        "Seconds for which REST's answer is used again for the same caller; 0 = only by requests "
        "that wait for it at the same time",
        example="5",
    )
    stale_while_revalidate: Seconds = _setting(
        0.0,
        "Seconds past the TTL in which the old answer is given at once while REST is asked for the "
        "next one",
        example="30",
    )
    stale_if_error: Seconds = _setting(
        0.0,
        "Seconds past the TTL in which the old answer is given when REST fails; never when it "
        "turns the caller away",
        example="300",
    )
    cache_url: SecretStr = _setting(
        SecretStr("memory://"),
        "`memory://`, or the Redis or Valkey that processes share: `redis://…`, `rediss://…`; what "
        "is kept there is compressed and sealed",
        example="redis://:password@redis.example.com:6379/0",
    )
    cache_max_bytes: ByteSize = _setting(
        "256MiB", "Memory for cached answers; the least recently used goes first", example="256MiB"
    )
    cache_secret: SecretStr = _setting(
        lambda: SecretStr(secrets.token_urlsafe(32)),
        "Key for the digests that name callers in the cache, and for what seals their answers; "
        "random at each start unless set, and the same wherever a Redis is shared",
        example="32 or more random characters",
    )
    upstream_connect_timeout: Timeout = _setting(3.0, "Seconds to connect to REST", example="3")
    upstream_timeout: Timeout = _setting(
        10.0, "Seconds for a whole REST call, its retry included", example="10"
    )
    upstream_connections: int = _setting(
        64, "REST calls at the same time, per process", example="64", ge=1, le=10_000
    )
    upstream_queue: int = _setting(
        256,
        "REST calls that may wait for their turn, per process; more are refused at once",
        example="256",
        ge=0,
        le=100_000,
    )
    breaker_failures: int = _setting(
        20,
        "Failed REST calls in a row after which REST is left alone for a while; 0 = never",
        example="20",
        ge=0,
    )
    breaker_cooldown: Timeout = _setting(
        5.0,
        "Seconds for which REST is left alone; up to six times as long while it goes on failing",
        example="5",
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
    max_requests: int = _setting(
        1_000,
        "Requests to GraphQL in work at the same time, per process; more are answered with 503",
        example="1000",
        ge=1,
        le=100_000,
    )
    max_connections: int = _setting(
        10_000,
        "Open connections, per process; more are closed",
        example="10000",
        ge=1,
        le=1_000_000,
    )
    shutdown_delay: Seconds = _setting(
        1.0,
        "Seconds between SIGTERM, when `/readyz` turns to 503, and the end of new connections",
        example="10",
    )
    request_timeout: Timeout = _setting(30.0, "Seconds for a whole request", example="30")
    live_interval: Timeout | None = _setting(
        None,
        "Seconds between two looks at REST for a caller's subscriptions; unset = "
        "`GATEWAY_CACHE_TTL`, or 5 where that is 0",
        example="5",
    )
    live_slowest: Timeout = _setting(
        60.0,
        "The same at most, where webhooks arrive and nothing changes; without webhooks it is three "
        "intervals",
        example="60",
    )
    webhook_secret: SecretStr | None = _setting(
        None,
        "Secret of SuperOffice's webhooks, which `/webhooks/superoffice` then takes",
        example="16 or more random characters",
    )
    max_sockets: int = _setting(
        5_000, "WebSockets and event streams at the same time, per process", example="5000", ge=0
    )
    max_sockets_per_caller: int = _setting(50, "The same of one caller", example="50", ge=1)
    max_body_bytes: ByteSize = _setting(
        "1MiB", "Largest request body, or message on a WebSocket", example="1MiB"
    )
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
        "list of sessions counts as its `limit`, `first` or `last`, or as 100, others as 10; and "
        "20 per value of introspection, of which tools need 140000",
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
            raise SettingsError(bad_setting(exc, cls.model_fields, flags)) from None

    @field_validator("upstream_url")
    @classmethod
    def _check_upstream_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
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

    @field_validator("tenants")
    @classmethod
    def _check_tenants(cls, value: str) -> str:
        names = _names(value)
        if (value and not names) or not all(canonical_tenant(name) for name in names):
            raise ValueError("a tenant is `Cust` and a number")
        return value

    @field_validator("tenant_hosts")
    @classmethod
    def _check_tenant_hosts(cls, value: str) -> str:
        names = _names(value)
        if not names or not all(_DOMAIN.fullmatch(name) for name in names):
            raise ValueError("a domain is written in small letters, without a port or a `*`")
        return value

    @model_validator(mode="after")
    def _check_upstream(self) -> Self:
        if self.upstream_url is None and self.environment is None:
            raise ValueError(NO_UPSTREAM)
        if self.upstream_url is not None and self.environment is not None:
            raise ValueError(TWO_UPSTREAMS)
        return self

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

    @field_validator("cache_url")
    @classmethod
    def _check_cache_url(cls, value: SecretStr) -> SecretStr:
        try:
            url = urlsplit(value.get_secret_value().strip())
            is_redis = url.scheme in {"redis", "rediss"} and url.hostname and url.port != 0
        except ValueError:
            is_redis = False
        if not is_redis and value.get_secret_value() != "memory://":
            raise ValueError("it must be memory://, or redis:// or rediss:// and a host")
        if is_redis and not _is_understood(value.get_secret_value().strip()):
            raise ValueError("it has an option behind the ? that cannot be used")
        return value

    @field_validator("cache_secret")
    @classmethod
    def _check_cache_secret(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("it must have at least 32 characters")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("it must have at least 16 characters")
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
    def redis_url(self) -> str | None:
        """Where the cache is that processes share, if there is one."""
        url = self.cache_url.get_secret_value()
        return None if url == "memory://" else url.strip()

    @property
    def warnings(self) -> list[str]:
        """What will not work as well as it could, in a sentence each."""
        found = []
        if self.redis_url is not None and "cache_secret" not in self.model_fields_set:
            found.append(
                "GATEWAY_CACHE_SECRET is not set: only this start can read what it keeps in Redis"
            )
        if self.redis_url is None and self.webhook_secret is not None and self.workers > 1:
            found.append(
                "GATEWAY_CACHE_URL is not set: only the worker that a webhook reaches hears of it, "
                "the others go on looking every few seconds"
            )
        return found

    @property
    def served_tenants(self) -> frozenset[str] | None:
        """Names of the tenants that are served, as SuperOffice writes them; None = all."""
        names = {canonical_tenant(name) for name in _names(self.tenants)}
        return frozenset(name for name in names if name) or None

    @property
    def trusted_domains(self) -> frozenset[str]:
        """Domains that a tenant's address may be in."""
        return _names(self.tenant_hosts)

    @property
    def address(self) -> str:
        """SuperOffice's address: the one that is set, or that of the environment."""
        return self.upstream_url or f"https://{_ENVIRONMENT_HOSTS[str(self.environment)]}"

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
    if isinstance(default, SecretStr):  # no secret, as everybody has it
        return default.get_secret_value()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _is_understood(redis_url: str) -> bool:
    """Tell whether a client could connect by all that it says; no connection is opened."""
    from redis.asyncio import Redis  # only where there is one

    try:
        pool: Any = Redis.from_url(redis_url).connection_pool
        encoder = pool.make_connection().encoder
        encoder.encode("")
    except Exception:  # noqa: BLE001  whatever it is that its parts raise
        return False
    return not encoder.decode_responses  # what is kept is no text
